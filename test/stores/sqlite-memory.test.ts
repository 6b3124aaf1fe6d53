import t from 'tap'
import { createSqliteStore } from '../../stores/sqlite.ts'
import { storeContract } from '../../stores/contract/contract.ts'

storeContract(t, 'sqlite in memory', async t => {
  let nowMs = 1_790_000_000_000
  const store = await createSqliteStore({ path: ':memory:', now: () => nowMs })
  t.teardown(() => store.end())
  return { store, advance: ms => { nowMs += ms }, second: async () => store }
}, { sharesData: false })
