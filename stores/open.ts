import { Redis } from 'ioredis'
import { createRedisStore, redisOptions } from './redis.ts'
import { createSqliteStore } from './sqlite.ts'
import type { Store } from './store.ts'

export type StoreAddress =
  | { type: 'sqlite', path: string, timeoutMs?: number }
  | { type: 'redis', url: string, timeoutMs?: number }

/** Opens a store; ending it ends the connection too. `redis`: the client, for what else wants to use the server. */
export async function openStore (address: StoreAddress): Promise<{ store: Store, redis: Redis | null }> {
  const timeout = address.timeoutMs === undefined ? {} : { timeoutMs: address.timeoutMs }
  if (address.type === 'sqlite') return { store: await createSqliteStore({ path: address.path, ...timeout }), redis: null }
  const redis = new Redis(redisOptions(address.url))
  return { store: await createRedisStore({ redis, closeClient: true, ...timeout }), redis }
}
