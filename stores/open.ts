import { createRedisClient, createRedisStore, type RedisClient, type RedisTarget } from './redis.ts'
import { createSqliteStore } from './sqlite.ts'
import type { Store } from './store.ts'

export type StoreAddress =
  | { type: 'sqlite', path: string, timeoutMs?: number }
  | { type: 'redis', target: RedisTarget, timeoutMs?: number }

/** Opens a store; ending it ends the connection too. `redis`: the client, for what else wants to use the server. */
export async function openStore (address: StoreAddress): Promise<{ store: Store, redis: RedisClient | null }> {
  const timeout = address.timeoutMs === undefined ? {} : { timeoutMs: address.timeoutMs }
  if (address.type === 'sqlite') return { store: await createSqliteStore({ path: address.path, ...timeout }), redis: null }
  const redis = createRedisClient(address.target)
  return { store: await createRedisStore({ redis, closeClient: true, ...timeout }), redis }
}
