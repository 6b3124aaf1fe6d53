import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createSqliteStore } from '../../stores/sqlite.ts'
import type { Store } from '../../stores/store.ts'
import { storeContract } from '../../stores/contract/contract.ts'

await storeContract(async (t: Test) => {
  const path = join(t.testdir({}), 'store.db')
  let nowMs = 1_790_000_000_000
  async function create (): Promise<Store> {
    const store = await createSqliteStore({ path, now: () => nowMs })
    t.teardown(() => store.end())
    return store
  }
  return { store: await create(), advance: ms => { nowMs += ms }, second: create }
}, { test: t.test.bind(t), name: 'sqlite' })
