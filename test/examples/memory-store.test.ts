import { readFile } from 'node:fs/promises'
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
