import { readdir, readFile } from 'node:fs/promises'
import t from 'tap'

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
