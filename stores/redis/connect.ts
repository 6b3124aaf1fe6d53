import { once } from 'node:events'
import { ConfigInvalidError } from '../../lib/errors.ts'
import { failureOfFirstNode, isCluster, primariesOf, type RedisClient } from './client.ts'
import { within } from './deadline.ts'
import { explain, noSuchName, settingOf } from './explain.ts'

/** The longest wait for a server that is loading its data, in milliseconds. */
const loadingMs = 60_000
const askMs = 500

export interface Waiting {
  /** The longest wait for a client that is still connecting, in milliseconds. */
  waitMs: number
  /** Called with the reason when the wait takes long. */
  onWait: (reason: string) => void
}

/**
 * Resolves when the client can be used. Rejects at once with ConfigInvalidError when waiting cannot help, and after `waitMs` with
 * StoreUnavailableError, whose cause names the setting and the reason. A server that is loading its data has a minute.
 */
export async function whenReady (redis: RedisClient, { waitMs, onWait }: Waiting): Promise<void> {
  if (redis.status === 'ready') return
  if (redis.status === 'end') throw explain(redis, new Error('Connection is closed: the client has been ended')).error
  const startedAtMs = performance.now()
  let last = await firstTrouble(redis, waitMs)
  if (last === null) return
  if (await isLoading(redis)) {
    onWait(`${settingOf(redis)}: Redis is loading its data; waiting for it, at most ${loadingMs / 1000} s`)
    last = new Error('LOADING: not within a minute')
    const leftMs = Math.max(waitMs, loadingMs) - (performance.now() - startedAtMs)
    if (await firstTrouble(redis, leftMs) === null) return
  }
  throw explain(redis, last).error
}

/** Resolves to null when the client became ready, otherwise to the last failure within `waitMs`. */
async function firstTrouble (redis: RedisClient, waitMs: number): Promise<Error | null> {
  return await new Promise((resolve, reject) => {
    let last = new Error(`no answer within ${waitMs} ms`)
    let isNodeAsked = false
    let nameless: Error | null = null
    const timer = setTimeout(() => settle(() => resolve(last)), waitMs)
    const onReady = (): void => settle(() => resolve(null))
    const onEnd = (): void => settle(() => resolve(last))
    // Each failing sentinel emits this event; 'error' follows when no sentinel is left.
    const onSentinelError = (error: Error): void => { if (noSuchName.test(error.message)) nameless = error }
    const onError = (error: Error): void => {
      judge(nameless ?? reasonOf(error))
      if (isCluster(redis) && last.message === 'Connection is closed.' && !isNodeAsked) {
        isNodeAsked = true
        void failureOfFirstNode(redis).then(failure => { if (failure !== null) judge(failure) })
      }
    }
    function judge (error: Error): void {
      if (error.message !== 'Connection is closed.' || !isNodeAsked) last = error
      const { error: explained, isFinal } = explain(redis, error)
      if (isFinal) settle(() => reject(explained))
    }
    function settle (outcome: () => void): void {
      clearTimeout(timer)
      redis.off('ready', onReady).off('end', onEnd).off('error', onError).off('sentinelError', onSentinelError)
      outcome()
    }
    redis.on('ready', onReady).on('end', onEnd).on('error', onError).on('sentinelError', onSentinelError)
  })
}

/**
 * Returns whether the server is loading its data. A client that is connected but not ready repeats its own check until the data is
 * loaded; the server answers INFO meanwhile.
 */
async function isLoading (redis: RedisClient): Promise<boolean> {
  if (isCluster(redis) || redis.status !== 'connect') return false
  const info = await within(redis.info('persistence'), askMs).catch(() => '')
  return /^loading:1/m.test(info)
}

/** Ends the client after its pending commands are answered, and within `timeoutMs` in any case. */
export async function close (redis: RedisClient, timeoutMs: number): Promise<void> {
  // The `quit` command rejects without a connection, and no answer is pending.
  if (redis.status !== 'ready') return redis.disconnect()
  const ended = once(redis, 'end')
  redis.quit().catch(() => {})
  await within(ended, timeoutMs).catch(() => redis.disconnect())
}

/** Resolves to the `maxmemory-policy` by which a server evicts data; null when none evicts, and `unknown` when the user may not ask. */
export async function readEvictingPolicy (redis: RedisClient, timeoutMs: number): Promise<string | null> {
  // INFO contains the value of CONFIG GET, and is permitted where CONFIG is not.
  const infos = await within(Promise.all(primariesOf(redis).map(async server => await server.info('memory').catch(forbidden))), timeoutMs)
  const policies = infos.map(info => /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'unknown')
  return policies.find(policy => !['noeviction', 'unknown'].includes(policy)) ?? policies.find(policy => policy === 'unknown') ?? null
}

/** Rejects a server that would evict revocations when memory runs short: an evicted revocation makes its credential valid again. */
export async function assertNoEviction (redis: RedisClient, timeoutMs: number, onWarning: (text: string) => void): Promise<void> {
  const policy = await readEvictingPolicy(redis, timeoutMs)
  if (policy === null) return
  const setting = settingOf(redis)
  if (policy === 'unknown') {
    onWarning(`${setting}: Redis does not tell its maxmemory-policy, because its user may not run INFO, so whether it evicts revocations is not checked; allow +info, or see to it that the policy is noeviction`)
    return
  }
  throw new ConfigInvalidError(
    `${setting}: the Redis server evicts data (maxmemory-policy ${policy}), so revoked credentials would come back; ` +
    'run `CONFIG SET maxmemory-policy noeviction` there, or give the gateway a Redis of its own'
  )
}

/** Returns the cause of a Cluster's error, which is that of its last node. */
function reasonOf (error: Error & { lastNodeError?: Error | null }): Error {
  return error.lastNodeError ?? error
}

function forbidden (error: Error): string {
  if (/^(NOPERM|ERR unknown command)/.test(error.message)) return ''
  throw error
}
