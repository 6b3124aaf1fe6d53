import { ConfigInvalidError } from '../lib/errors.ts'
import { defaultKeyPrefix, keyPrefixProblem } from './redis/addresses.ts'
import { isCluster, type RedisClient } from './redis/client.ts'
import { assertNoEviction, close, readEvictingPolicy, whenReady } from './redis/connect.ts'
import { unavailable } from './redis/deadline.ts'
import { explain, settingOf } from './redis/explain.ts'
import { createGrowth } from './redis/growth.ts'
import { createKeys } from './redis/keys.ts'
import { createLog, type LogOptions } from './redis/log.ts'
import { createNotes } from './redis/notes.ts'
import { createOnce } from './redis/once.ts'
import { assertPermitted } from './redis/permissions.ts'
import { createProviderSessions } from './redis/provider-sessions.ts'
import { createRevocations } from './redis/revocations.ts'
import { loadScripts } from './redis/scripts.ts'
import { createSessions } from './redis/sessions.ts'
import { createSigningKeys } from './redis/signing-keys.ts'
import type { Store } from './store.ts'

export { createRedisClient, type RedisClient } from './redis/client.ts'
export { redisOptions, type RedisTarget } from './redis/options.ts'

export interface RedisStoreOptions {
  /** A client made with `createRedisClient()`, or with `redisOptions()`; it may still be connecting. */
  redis: RedisClient
  /** Maximum duration of an operation. Default 250. */
  timeoutMs?: number
  /** Maximum wait for a client that is still connecting. Default 5000. */
  connectTimeoutMs?: number
  /** Prefix of every key. Deployments that share a Redis need different prefixes. Default `portcullis:`. */
  keyPrefix?: string
  /** Number of slots of the data: a power of two, at most 16. It must not change while there is data. Default 16 in a Cluster, else 1. */
  shards?: number
  /** Tells whether `end()` also ends the client. Default false. */
  closeClient?: boolean
  /** `onWait` is called with the reason when the start has to wait; `onWarning` with each questionable setting of the server. */
  onWait?: (text: string) => void
  onWarning?: (text: string) => void
  /** An offset that tests add to the clock of the server. */
  clockOffsetMs?: () => number
}

const policyCheckMs = 20_000

/** Opens the store on a Redis server, version 7.0 or newer. */
export async function createRedisStore (options: RedisStoreOptions): Promise<Store> {
  const { redis, timeoutMs = 250, connectTimeoutMs = 5000, keyPrefix = defaultKeyPrefix, shards = isCluster(redis) ? 16 : 1, closeClient = false, clockOffsetMs = () => 0, onWait = ignore, onWarning = ignore } = options
  assertUsable(redis, keyPrefix, shards)
  // A client without a listener prints every failed attempt to connect. Each operation reports the failure itself.
  redis.on('error', (error: Error) => keepDatabase(redis, error))
  try {
    await whenReady(redis, { waitMs: connectTimeoutMs, onWait })
    await assertNoEviction(redis, timeoutMs, onWarning)
    const scripts = await loadScripts({ redis, timeoutMs, clockOffsetMs })
    const keys = createKeys(keyPrefix, shards)
    await assertPermitted({ redis, scripts, keys, keyPrefix })
    await scripts.run('clock', keys.first)
    return assemble({ redis, timeoutMs, scripts, keys }, closeClient)
  } catch (error) {
    if (closeClient) redis.disconnect()
    throw explained(redis, error as Error)
  }
}

function assemble (options: LogOptions, closeClient: boolean): Store {
  const { redis, timeoutMs, scripts, keys } = options
  const log = createLog(options)
  const sessions = createSessions(scripts, keys)
  const growths = keys.shards.map(shard => createGrowth(redis, shard.log))
  const checkPolicy = createPolicyCheck(redis, timeoutMs)
  return {
    type: 'redis',
    nowMs: scripts.nowMs,
    ...sessions,
    ...createProviderSessions(scripts, keys, sessions),
    ...createRevocations(scripts, keys),
    ...createSigningKeys(scripts, keys),
    ...createNotes(scripts, keys),
    ...createOnce(scripts, keys),
    snapshot: log.snapshot,
    async pull (position) {
      await checkPolicy()
      return log.pull(position)
    },
    onGrowth (listener) {
      const unsubscribers = growths.map(growth => growth.subscribe(listener))
      return () => unsubscribers.forEach(unsubscribe => unsubscribe())
    },
    async end () {
      scripts.end()
      growths.forEach(growth => growth.end())
      if (closeClient) await close(redis, timeoutMs)
    }
  }
}

function assertUsable (redis: RedisClient, prefix: string, shards: number): void {
  const { enableOfflineQueue, keyPrefix } = redis.options
  const { autoResendUnfulfilledCommands, maxRetriesPerRequest } = (isCluster(redis) ? redis.options.redisOptions : redis.options) ?? {}
  const resends = autoResendUnfulfilledCommands !== false || maxRetriesPerRequest !== 0 || (isCluster(redis) && redis.options.retryDelayOnFailover !== 0)
  if (resends || enableOfflineQueue !== false) throw new ConfigInvalidError('The Redis client of the store must be made with createRedisClient(): other clients send a command twice')
  if (keyPrefix) throw new ConfigInvalidError('The Redis client of the store must not have a keyPrefix; use that of the store')
  const problem = keyPrefixProblem(prefix)
  if (problem !== null) throw new ConfigInvalidError(`store.keyPrefix: ${problem}`)
  if (![1, 2, 4, 8, 16].includes(shards)) throw new ConfigInvalidError('The number of shards of the store must be 1, 2, 4, 8 or 16')
}

/** Checks regularly that the eviction policy has not changed: a server that evicts keys loses sessions and revocations. */
function createPolicyCheck (redis: RedisClient, timeoutMs: number): () => Promise<void> {
  let nextMs = performance.now() + policyCheckMs
  return async () => {
    if (performance.now() < nextMs) return
    const policy = await readEvictingPolicy(redis, timeoutMs)
    if (policy !== null && policy !== 'unknown') throw unavailable(new Error(`${settingOf(redis)}: maxmemory-policy has become ${policy}`))
    nextMs = performance.now() + policyCheckMs
  }
}

/** Explains an error reply of the server at the start by the setting that causes it. Returns every other error unchanged. */
function explained (redis: RedisClient, error: Error): Error {
  const { cause } = error
  return cause instanceof Error && cause.name === 'ReplyError' && !(error instanceof ConfigInvalidError) ? explain(redis, cause).error : error
}

/** Disconnects a client that cannot select its database, because it would continue in database 0, which may hold other data. */
function keepDatabase (redis: RedisClient, { message }: Error): void {
  if (/DB index is out of range|SELECT is not allowed|NOPERM.*'select'/.test(message)) redis.disconnect(true)
}

function ignore (): void {}
