import t, { type Test } from 'tap'
import { createRedisStore } from '../../stores/redis.ts'
import type { Store } from '../../stores/store.ts'
import { connectRedis, freezeClock, startRedis } from '../helpers/redis-server.ts'
import { storeContract } from '../../stores/contract/contract.ts'

const server = await startRedis(t)
let fixtures = 0

for (const shards of [1, 16]) {
  await storeContract(async (t: Test) => {
    const keyPrefix = `contract-${++fixtures}:`
    const startMs = Date.now()
    let clockOffsetMs = 0
    async function create (): Promise<Store> {
      const redis = connectRedis(t, server)
      freezeClock(redis, startMs)
      const store = await createRedisStore({ redis, keyPrefix, shards, timeoutMs: 5000, clockOffsetMs: () => clockOffsetMs })
      t.teardown(() => store.end())
      // The clock as last heard moves on between two answers; here it stands still like the server's.
      return { ...store, nowMs: () => startMs + clockOffsetMs }
    }
    return { store: await create(), advance: ms => { clockOffsetMs += ms }, second: create }
  }, { test: t.test.bind(t), name: `redis with ${shards} shards` })
}
