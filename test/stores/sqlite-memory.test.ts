import t, { type Test } from 'tap'
import { createSqliteStore } from '../../stores/sqlite.ts'
import { storeContract } from '../../stores/contract/contract.ts'

await storeContract(async (t: Test) => {
  let nowMs = 1_790_000_000_000
  const store = await createSqliteStore({ path: ':memory:', now: () => nowMs })
  t.teardown(() => store.end())
  return { store, advance: ms => { nowMs += ms }, second: async () => store }
}, { test: t.test.bind(t), name: 'sqlite in memory', sharesData: false })
