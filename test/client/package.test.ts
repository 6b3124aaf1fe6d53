import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { build } from 'vite'
import { buildClient } from '../../scripts/build-client.ts'

const root = new URL('../../', import.meta.url)

/** The package as it is installed, as far as browsers load it. */
async function install (t: Test, files: Record<string, string>): Promise<string> {
  // With a package.json of its own, or the folder would be part of this package, whose name finds itself.
  const folder = t.testdir({ ...files, 'package.json': '{"private":true,"type":"module"}', node_modules: { portcullis: { 'package.json': await readFile(new URL('package.json', root), 'utf8'), dist: { client: {} } } } })
  await buildClient(join(folder, 'node_modules', 'portcullis', 'dist', 'client'))
  return folder
}

t.test('the client is one file of at most 3 KiB', async t => {
  const folder = await install(t, {})
  const text = await readFile(join(folder, 'node_modules', 'portcullis', 'dist', 'client', 'index.js'))

  t.ok(gzipSync(text).length <= 3072, `${gzipSync(text).length} bytes`)
  t.notMatch(text.toString(), /\bimport\b/, 'a script of type module loads nothing else')
})

t.test('the file can be imported as it is', async t => {
  const folder = await install(t, {})

  const exported = await import(pathToFileURL(join(folder, 'node_modules', 'portcullis', 'dist', 'client', 'index.js')).href) as object

  t.same(Object.keys(exported), ['createClient'])
})

t.test('Vite bundles what the guide for browsers shows', async t => {
  const [, example = ''] = /```js\n(import \{ createClient \}[^]*?)```/.exec(await readFile(new URL('docs/guides/browser.md', root), 'utf8')) ?? []
  const folder = await install(t, {
    'index.html': '<!doctype html><title>App</title><script type="module" src="/main.js"></script>',
    'main.js': example
  })

  const result = await build({ root: folder, configFile: false, logLevel: 'silent', build: { write: false } })

  const chunks = [result].flat().flatMap(one => 'output' in one ? one.output : []).flatMap(file => file.type === 'chunk' ? file.code : [])
  t.equal(chunks.length, 1)
  t.match(chunks[0], '/auth/')
  t.match(chunks[0], 'Your password, please')
  t.notMatch(chunks[0], 'portcullis/client')
})
