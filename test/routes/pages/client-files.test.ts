import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { clientFiles } from '../../../routes/pages/client-files.ts'
import { buildClient } from '../../../scripts/build-client.ts'

t.test('the sources become scripts that import each other', async t => {
  const folder = t.testdir({ 'package.json': '{"type":"module"}' })
  const files = await clientFiles()
  for (const [name, { body }] of files) await writeFile(join(folder, name), body)

  const exported = await import(pathToFileURL(join(folder, 'index.js')).href) as object

  t.same(Object.keys(exported), ['createClient'])
  for (const [name, { body }] of files) {
    t.match(name, /^[\w-]+\.js$/)
    const imported = [...String(body).matchAll(/from '([^']*)'/g)].map(([, specifier = '']) => specifier.replace('./', ''))
    t.same(imported.filter(specifier => !files.has(specifier)), [])
  }
})

t.test('an installed package has the one file that was built', async t => {
  const folder = t.testdir({ 'package.json': '{"type":"module"}', routes: { pages: {} }, client: {} })
  await buildClient(join(folder, 'client'))
  const source = await readFile(new URL('../../../routes/pages/client-files.ts', import.meta.url), 'utf8')
  const { stripTypeScriptTypes } = await import('node:module')
  await writeFile(join(folder, 'routes', 'pages', 'client-files.js'), stripTypeScriptTypes(source))

  const installed = await import(pathToFileURL(join(folder, 'routes', 'pages', 'client-files.js')).href) as { clientFiles: typeof clientFiles }

  t.same(await installed.clientFiles(), new Map([['index.js', { body: await readFile(join(folder, 'client', 'index.js')) }]]))
})
