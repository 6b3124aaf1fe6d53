import { once } from 'node:events'
import { ConfigInvalidError } from '../../lib/errors.ts'
import { failureOfFirstNode, isCluster, primariesOf, type RedisClient } from './client.ts'
import { within } from './deadline.ts'
import { explain, noSuchName, settingOf } from './explain.ts'

/** How long a server that is loading its data is waited for. */
const loadingMs = 60_000
const askMs = 500

export interface Waiting {
  /** How long to wait for a client that is still connecting. */
  waitMs: number
  /** Is told what is waited for when that takes long. */
  onWait: (reason: string) => void
}

/**
 * Resolves when the client can be used. Rejects at once with ConfigInvalidError when waiting cannot help, and after `waitMs` with
 * StoreUnavailableError whose cause names the setting and the reason. A server that is loading its data is waited for a minute.
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

/** Null when the client became ready; otherwise the last failure that there was until `waitMs` were over. */
async function firstTrouble (redis: RedisClient, waitMs: number): Promise<Error | null> {
  return await new Promise((resolve, reject) => {
    let last = new Error(`no answer within ${waitMs} ms`)
    let isNodeAsked = false
    let nameless: Error | null = null
    const timer = setTimeout(() => settle(() => resolve(last)), waitMs)
    const onReady = (): void => settle(() => resolve(null))
    const onEnd = (): void => settle(() => resolve(last))
    // Comes from each sentinel that fails; then 'error', when none is left that may know the name.
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

/** A client that is connected and not ready asks by itself until the data is loaded; INFO is answered meanwhile. */
async function isLoading (redis: RedisClient): Promise<boolean> {
  if (isCluster(redis) || redis.status !== 'connect') return false
  const info = await within(redis.info('persistence'), askMs).catch(() => '')
  return /^loading:1/m.test(info)
}

/** Ends the client after what it has sent is answered, and within `timeoutMs` in any case. */
export async function close (redis: RedisClient, timeoutMs: number): Promise<void> {
  // Without a connection `quit` rejects, and there is nothing to wait for.
  if (redis.status !== 'ready') return redis.disconnect()
  const ended = once(redis, 'end')
  redis.quit().catch(() => {})
  await within(ended, timeoutMs).catch(() => redis.disconnect())
}

/** The `maxmemory-policy` by which a server evicts data; null where none does, and `unknown` where one may not be asked. */
export async function readEvictingPolicy (redis: RedisClient, timeoutMs: number): Promise<string | null> {
  // INFO says what CONFIG GET says, and is allowed where CONFIG is not.
  const infos = await within(Promise.all(primariesOf(redis).map(async server => await server.info('memory').catch(forbidden))), timeoutMs)
  const policies = infos.map(info => /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'unknown')
  return policies.find(policy => !['noeviction', 'unknown'].includes(policy)) ?? policies.find(policy => policy === 'unknown') ?? null
}

/** Refuses a server that would throw revocations away when memory runs short: what is evicted is good again. */
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

/** The reason of a Cluster's error is that of its last node. */
function reasonOf (error: Error & { lastNodeError?: Error | null }): Error {
  return error.lastNodeError ?? error
}

function forbidden (error: Error): string {
  if (/^(NOPERM|ERR unknown command)/.test(error.message)) return ''
  throw error
}
