import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { build, minify } from 'vite'

const entry = fileURLToPath(new URL('../client/index.ts', import.meta.url))
const target = 'es2022'

/** The names of properties that no page, gateway or other tab sees. */
const internal = /^(held|isBelieved|epoch|question|failures|failure|isSteppingUp|endedSid|dispatch|isExpired|schedule|wait|check|watch|getState|settle|closing)$/

/** Bundles the client into one small file, `index.js` in the folder. */
export async function buildClient (folder: string): Promise<void> {
  await build({
    configFile: false,
    publicDir: false,
    logLevel: 'warn',
    build: {
      outDir: folder,
      emptyOutDir: false,
      target,
      minify: false,
      lib: { entry, formats: ['es'], fileName: () => 'index.js' },
      rolldownOptions: { optimization: { inlineConst: { mode: 'all', pass: 3 } } }
    }
  })
  // The white space is removed afterwards, because vite keeps it in libraries.
  const file = join(folder, 'index.js')
  const { code, errors } = await minify('index.js', await readFile(file, 'utf8'), { module: true, compress: { target }, mangle: { toplevel: true }, mangleProps: { include: internal }, codegen: { removeWhitespace: true } })
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]!.message}`)
  await writeFile(file, code)
}
