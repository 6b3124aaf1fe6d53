import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import * as testing from '../../plugins/testing/testing.ts'
import { blocksOf, cellsUnder, readDocument } from '../helpers/documents.ts'

const page = await readDocument('docs/guides/testing.md')

t.test('the tests of the page pass as they are written', async t => {
  const [program = ''] = blocksOf(page, 'js')
  const file = join(t.testdir({}), 'orders.test.js')
  const fileOf: Record<string, string> = { portcullis: '../../index.ts', 'portcullis/testing': '../../plugins/testing/testing.ts' }
  await writeFile(file, program.replaceAll(/ from '(portcullis[^']*)'/g, (_from, name: string) => ` from '${new URL(fileOf[name]!, import.meta.url).href}'`))

  const { stdout } = await promisify(execFile)(process.execPath, ['--test', '--test-reporter=tap', file], { env: { PATH: process.env['PATH'] } })

  t.match(stdout, /^# pass 4$/m)
  t.match(stdout, /^# fail 0$/m)
})

t.test('every helper of portcullis/testing is described, and every method of a failing store', async t => {
  t.same(cellsUnder(page, 'Testing an application', 1).flat().map(cell => /^(\w+)\(/.exec(cell)?.[1]).sort(), Object.keys(testing).sort())
  const store = testing.failingStore(await testing.memoryStore())
  t.teardown(() => store.end())
  for (const [method = ''] of cellsUnder(page, 'Failures', 1)) t.type(store[/^(\w+)\(/.exec(method)![1] as 'fail'], 'function', method)
})
