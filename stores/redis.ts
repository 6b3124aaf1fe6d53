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
import { assertPermitted } from './redis/permissions.ts'
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
  /** How long an operation may take. Default 250. */
  timeoutMs?: number
  /** How long to wait for a client that is still connecting. Default 5000. */
  connectTimeoutMs?: number
  /** What every key begins with: it keeps deployments apart that share a Redis. Default `portcullis:`. */
  keyPrefix?: string
  /** How many slots the data is spread over: a power of two, up to 16; never changed while there is data. Default 16 in a Cluster, else 1. */
  shards?: number
  /** Whether `end()` ends the client too. Default false. */
  closeClient?: boolean
  /** Is told what is waited for at the start, and what is not as it should be but may stay so. */
  onWait?: (text: string) => void
  onWarning?: (text: string) => void
  /** Added to the server's clock, in tests. */
  clockOffsetMs?: () => number
}

const policyCheckMs = 20_000

/** The store on a Redis server, 7.0 or newer. */
export async function createRedisStore (options: RedisStoreOptions): Promise<Store> {
  const { redis, timeoutMs = 250, connectTimeoutMs = 5000, keyPrefix = defaultKeyPrefix, shards = isCluster(redis) ? 16 : 1, closeClient = false, clockOffsetMs = () => 0, onWait = ignore, onWarning = ignore } = options
  assertUsable(redis, keyPrefix, shards)
  // Without a listener the client prints every failed attempt to connect; each operation says so itself.
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
  const growths = keys.shards.map(shard => createGrowth(redis, shard.log))
  const checkPolicy = createPolicyCheck(redis, timeoutMs)
  return {
    type: 'redis',
    nowMs: scripts.nowMs,
    ...createSessions(scripts, keys),
    ...createRevocations(scripts, keys),
    ...createSigningKeys(scripts, keys),
    ...createNotes(scripts, keys),
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

/** Somebody may set an evicting policy while the gateway runs: then what is heard from this server is not the truth for long. */
function createPolicyCheck (redis: RedisClient, timeoutMs: number): () => Promise<void> {
  let nextMs = performance.now() + policyCheckMs
  return async () => {
    if (performance.now() < nextMs) return
    const policy = await readEvictingPolicy(redis, timeoutMs)
    if (policy !== null && policy !== 'unknown') throw unavailable(new Error(`${settingOf(redis)}: maxmemory-policy has become ${policy}`))
    nextMs = performance.now() + policyCheckMs
  }
}

/** An error reply of the server at the start says what is wrong with the settings; any other error is as it is. */
function explained (redis: RedisClient, error: Error): Error {
  const { cause } = error
  return cause instanceof Error && cause.name === 'ReplyError' && !(error instanceof ConfigInvalidError) ? explain(redis, cause).error : error
}

/** The client would go on in database 0, where other data is: without its database a connection is of no use. */
function keepDatabase (redis: RedisClient, { message }: Error): void {
  if (/DB index is out of range|SELECT is not allowed|NOPERM.*'select'/.test(message)) redis.disconnect(true)
}

function ignore (): void {}
