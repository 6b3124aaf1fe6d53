import { execFileSync } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { linksOf, readDocument } from './helpers/documents.ts'

const root = new URL('../', import.meta.url)

t.test('every plugin can be imported by its file name', async t => {
  const { exports } = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as { exports: object }
  const files = await readdir(new URL('plugins/', root))

  const plugins = files.filter(file => file.endsWith('.ts')).map(file => `./plugins/${file.slice(0, -3)}`)

  t.same(Object.keys(exports).filter(name => name.startsWith('./plugins/')).sort(), plugins.sort())
})

t.test('the lock file names no registry', async t => {
  t.notMatch(await readFile(new URL('package-lock.json', root), 'utf8'), '"resolved"')
})

t.test('every link between the documents of the package leads to a file in it', async t => {
  const packed = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: fileURLToPath(root), encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  const report = JSON.parse(packed) as Array<{ files: Array<{ path: string }> }> | Record<string, { files: Array<{ path: string }> }>
  const [{ files } = { files: [] }] = Object.values(report)
  const paths = files.map(({ path }) => path)
  const documents = paths.filter(path => path.endsWith('.md'))
  t.ok(documents.includes('README.md') && documents.includes('docs/guides/operating.md') && paths.includes('docs/reference/openapi.json'))

  for (const document of documents) {
    for (const { path: linked, target } of linksOf(await readDocument(document))) {
      const path = posix.join(posix.dirname(document), linked === '' ? posix.basename(document) : linked).replace(/\/$/, '')
      t.ok(paths.some(file => file === path || file.startsWith(`${path}/`)), `${document}: ${target}`)
    }
  }
})

t.test('the command is named as npm wants it, so that publishing does not remove it', async t => {
  const { bin } = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as { bin: Record<string, string> }

  t.same(bin, { portcullis: 'dist/cli.js' })
})
