import { join } from 'node:path'
import type { Test } from 'tap'
import { createRedisStore } from '../../stores/redis.ts'
import { createSqliteStore } from '../../stores/sqlite.ts'
import type { Store } from '../../stores/store.ts'
import { connectRedis, startRedis } from './redis-server.ts'

/** Opens each kind of store as two gateways have it: two Store objects on the same data. They end with the test. */
export const sharedStores: Array<[name: string, open: (t: Test) => Promise<[Store, Store]>]> = [
  ['one SQLite file', async t => {
    const path = join(t.testdir({}), 'portcullis.db')
    return [await ended(t, createSqliteStore({ path })), await ended(t, createSqliteStore({ path }))]
  }],
  ['one Redis', async t => {
    const server = await startRedis(t)
    const open = async () => await ended(t, createRedisStore({ redis: connectRedis(t, server), timeoutMs: 5000 }))
    return [await open(), await open()]
  }]
]

async function ended (t: Test, opening: Promise<Store>): Promise<Store> {
  const store = await opening
  t.teardown(() => store.end())
  return store
}
