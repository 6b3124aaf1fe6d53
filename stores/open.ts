import { defaultKeyPrefix } from './redis/settings.ts'
import { createRedisClient, createRedisStore, type RedisClient, type RedisTarget } from './redis.ts'
import { createSqliteStore } from './sqlite.ts'
import type { Store } from './store.ts'

export type StoreAddress =
  | { type: 'sqlite', path: string, timeoutMs?: number }
  | { type: 'redis', target: RedisTarget, keyPrefix?: string, timeoutMs?: number }

export interface OpenOptions {
  /** Is told what is waited for while the store is being opened. */
  onWait?: (text: string) => void
  /** Is told what is not as it should be, though the store can be used. */
  onWarning?: (text: string) => void
}

/** A Redis for what else wants to use the server, and what its keys begin with. */
export interface SharedRedis { client: RedisClient, keyPrefix: string }

/** Opens a store; ending it ends the connection too. */
export async function openStore (address: StoreAddress, options: OpenOptions = {}): Promise<{ store: Store, redis: SharedRedis | null }> {
  const timeout = address.timeoutMs === undefined ? {} : { timeoutMs: address.timeoutMs }
  if (address.type === 'sqlite') return { store: await createSqliteStore({ path: address.path, ...options, ...timeout }), redis: null }
  const { target, keyPrefix = defaultKeyPrefix } = address
  const client = createRedisClient(target)
  return { store: await createRedisStore({ redis: client, keyPrefix, closeClient: true, ...options, ...timeout }), redis: { client, keyPrefix } }
}
