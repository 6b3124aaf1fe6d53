import { chmod, cp, readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { buildClient } from './build-client.ts'

// Adds what tsc leaves out: the scripts that the Redis store reads at run time, the templates and styles of the pages, the browser
// client as one file, and the executable bit of the command line.
const built = new URL('../dist/', import.meta.url)
await cp(new URL('../stores/redis/', import.meta.url), new URL('stores/redis/', built), {
  recursive: true,
  filter: source => !source.endsWith('.ts')
})
await cp(new URL('../routes/pages/views/', import.meta.url), new URL('routes/pages/views/', built), { recursive: true })
await buildClient(fileURLToPath(new URL('client/', built)))
await chmod(new URL('cli.js', built), 0o755)

// tsc leaves the name of a source in an import that it does not rewrite, and only those who use that part of the package would notice.
for (const file of await readdir(built, { recursive: true })) {
  if (file.endsWith('.js') && /\bimport\(['"]\.[^)]*\.ts['"]\)/.test(await readFile(new URL(file, built), 'utf8'))) throw new Error(`dist/${file} imports a source: move the import out of the export default`)
}
