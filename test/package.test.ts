import { execFileSync } from 'node:child_process'
import { access, readdir, readFile } from 'node:fs/promises'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { linksOf, readDocument } from './helpers/documents.ts'

const root = new URL('../', import.meta.url)

interface Manifest { exports: Record<string, string | { types: string, default: string }>, typesVersions: { '*': Record<string, string[]> } }

const manifest = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as Manifest

/** Files of routes/ that only other files there use. */
const shared = new Set(['json-api.ts', 'options.ts', 'reserved.ts'])

for (const folder of ['plugins', 'routes']) {
  t.test(`every file of ${folder}/ can be imported by its name`, async t => {
    const files = await readdir(new URL(`${folder}/`, root))

    const subpaths = files.filter(file => file.endsWith('.ts') && !(folder === 'routes' && shared.has(file))).map(file => `./${folder}/${file.slice(0, -3)}`)

    t.same(Object.keys(manifest.exports).filter(name => name.startsWith(`./${folder}/`)).sort(), subpaths.sort())
  })
}

t.test('every subpath has a source, its declarations, and an entry for resolvers that do not read exports', async t => {
  const entries = Object.entries(manifest.exports).filter(([name]) => name !== './package.json')
  for (const name of ['./client', './errors', './events', './store', './store-contract', './testing']) t.ok(name in manifest.exports, name)

  for (const [name, target] of entries) {
    const { types, default: script } = target as { types: string, default: string }
    t.equal(types, script.replace(/\.js$/, '.d.ts'), name)
    await t.resolves(access(new URL(script.replace('./dist/', './').replace(/\.js$/, '.ts'), root)), name)
    if (name !== '.') t.same(manifest.typesVersions['*'][name.slice(2)], [types.slice(2)], name)
  }
  t.equal(Object.keys(manifest.typesVersions['*']).length, entries.length - 1)
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
