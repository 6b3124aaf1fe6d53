import { spawnSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { MemoryData, MemoryStore } from '../../examples/memory-store.ts'
import { storeContract } from '../../stores/contract/contract.ts'

await storeContract(async (t: Test) => {
  const data = new MemoryData()
  let nowMs = 1_790_000_000_000
  const open = async (): Promise<MemoryStore> => {
    const store = new MemoryStore(data, () => nowMs)
    t.teardown(() => store.end())
    return store
  }
  return { store: await open(), advance: ms => { nowMs += ms }, second: open }
}, { test: t.test.bind(t), name: 'the store of the example' })

t.test('the example needs nothing of Portcullis but portcullis/store, and so every type that Store names is exported', async t => {
  const text = await readFile(new URL('../../examples/memory-store.ts', import.meta.url), 'utf8')

  t.same([...text.matchAll(/ from '(.+)'/g)].map(([, from]) => from), ['node:crypto', '../stores/toolkit.ts'])
})

t.test('the contract runs under node:test too', async t => {
  const program = fileURLToPath(new URL('../fixtures/memory-store-contract.ts', import.meta.url))

  const { status, stdout } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', program], { encoding: 'utf8' })

  t.equal(status, 0, stdout.slice(-2000))
  t.match(stdout, /^# fail 0$/m)
  t.match(stdout, /^# pass [1-9]\d\d/m)
})
