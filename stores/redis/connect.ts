import { once } from 'node:events'
import { ConfigInvalidError, StoreUnavailableError } from '../../lib/errors.ts'
import { primariesOf, type RedisClient } from './client.ts'
import { unavailable, within } from './deadline.ts'

const refused = /^(NOAUTH|WRONGPASS|NOPERM|ERR invalid password|ERR .*AUTH)/

/** Resolves when the client can be used; rejects when the server refuses it, or after `waitMs`. */
export async function whenReady (redis: RedisClient, waitMs: number): Promise<void> {
  if (redis.status === 'ready') return
  if (redis.status === 'end') throw unreachable(new Error('the connection has been closed'))
  await new Promise<void>((resolve, reject) => {
    let last = new Error(`no answer within ${waitMs} ms`)
    const timer = setTimeout(() => settle(() => reject(unreachable(last))), waitMs)
    const onReady = (): void => settle(resolve)
    const onEnd = (): void => settle(() => reject(unreachable(last)))
    const onError = (error: Error): void => {
      last = reasonOf(error)
      if (refused.test(last.message)) settle(() => reject(misconfigured(last)))
    }
    function settle (outcome: () => void): void {
      clearTimeout(timer)
      redis.off('ready', onReady).off('end', onEnd).off('error', onError)
      outcome()
    }
    redis.on('ready', onReady).on('end', onEnd).on('error', onError)
  })
}

/** Ends the client after what it has sent is answered, and within `timeoutMs` in any case. */
export async function close (redis: RedisClient, timeoutMs: number): Promise<void> {
  // Without a connection `quit` rejects, and there is nothing to wait for.
  if (redis.status !== 'ready') return redis.disconnect()
  const ended = once(redis, 'end')
  redis.quit().catch(() => {})
  await within(ended, timeoutMs).catch(() => redis.disconnect())
}

/** The `maxmemory-policy` by which a server evicts data; null where none does, or does not tell. */
export async function readEvictingPolicy (redis: RedisClient, timeoutMs: number): Promise<string | null> {
  // INFO says what CONFIG GET says, and is allowed where CONFIG is not.
  const infos = await within(Promise.all(primariesOf(redis).map(async server => await server.info('memory').catch(forbidden))), timeoutMs)
  const policies = infos.map(info => /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? 'noeviction')
  return policies.find(policy => policy !== 'noeviction') ?? null
}

/** Refuses a server that would throw revocations away when memory runs short: what is evicted is good again. */
export async function assertNoEviction (redis: RedisClient, timeoutMs: number): Promise<void> {
  const policy = await readEvictingPolicy(redis, timeoutMs)
  if (policy === null) return
  throw new ConfigInvalidError(
    `store.url: the Redis server evicts data (maxmemory-policy ${policy}), so revoked credentials would come back; ` +
    'run `CONFIG SET maxmemory-policy noeviction` there, or give the gateway a Redis of its own'
  )
}

/** What a Cluster says of all its nodes together says nothing. */
function reasonOf (error: Error & { lastNodeError?: Error }): Error {
  return error.lastNodeError ?? error
}

function forbidden (error: Error): string {
  if (/^(NOPERM|ERR unknown command)/.test(error.message)) return ''
  throw error
}

function unreachable (cause: Error): Error {
  return new StoreUnavailableError({
    cause: new Error('store.url: Redis cannot be reached; start it, or correct host, port and redis:// or rediss://', { cause: unavailable(cause).cause })
  })
}

function misconfigured (cause: Error): Error {
  return new ConfigInvalidError('store.url: Redis refuses the user or the password; correct them in the URL, or the rights of the user', { cause: unavailable(cause).cause })
}
