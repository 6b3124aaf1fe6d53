import type { RedisOptions } from 'ioredis'
import { ConfigInvalidError } from '../../lib/errors.ts'

export type RedisTarget =
  /** `redis://` or `rediss://`, with user, password and database number where needed. */
  | string
  /** Addresses of the sentinels as `redis://` URLs, and the name of the primary that they watch. User and password are the primary's. */
  | { sentinels: string[], name: string, username?: string, password?: string }
  /** Addresses of nodes of a Cluster; the user and the password of the first are those of all. */
  | { cluster: string[] }

/** Without what would give replies other shapes, and what @fastify/redis sets itself. */
export type RedisClientOptions = Omit<RedisOptions, 'replyMapping' | 'clientInfoTag'>

/**
 * What a connection to the store must be like. After a lost reply nobody knows whether a command was executed: sending it again
 * would present a refresh token twice, so a command is sent once or not at all, and its caller is told at once.
 */
export function redisOptions (target: RedisTarget): RedisClientOptions {
  return {
    ...parse(target),
    autoResendUnfulfilledCommands: false,
    // Without this a command whose connection broke stays pending for ever once it is not sent again.
    maxRetriesPerRequest: 0,
    // A command that waits for a connection is executed after its caller has given up.
    enableOfflineQueue: false,
    // In a pipeline a script that the server has forgotten cannot be told apart from its neighbours.
    enableAutoPipelining: false,
    lazyConnect: false,
    enableReadyCheck: true,
    maxLoadingRetryTime: 1000,
    connectTimeout: 2000,
    keepAlive: 10_000,
    disconnectTimeout: 500,
    retryStrategy,
    // A demoted primary refuses every script: look for the new one; true reconnects and never sends again.
    reconnectOnError: error => error.message.startsWith('READONLY')
  }
}

/** Milliseconds before the given attempt, from one on: doubling up to a second, with jitter so that gateways do not come in step. */
export function retryStrategy (attempt: number): number {
  const ceiling = Math.min(1000, 50 * 2 ** Math.min(attempt, 10))
  return Math.round(ceiling * (0.5 + Math.random() / 2))
}

function parse (target: RedisTarget): RedisClientOptions {
  if (typeof target === 'string') return parseUrl(target)
  return 'cluster' in target ? parseNodes(target.cluster) : parseSentinels(target)
}

/** What the connections to all nodes have in common. */
function parseNodes (nodes: string[]): RedisClientOptions {
  const [first, ...others] = nodes.map(parseUrl)
  if (first === undefined) throw new ConfigInvalidError('store.cluster must name at least one node')
  if ([first, ...others].some(({ db }) => db !== 0)) throw new ConfigInvalidError('store.cluster: a Cluster has no database numbers; remove what follows the port')
  if (others.some(({ tls }) => (tls === undefined) !== (first.tls === undefined))) throw new ConfigInvalidError('store.cluster: either all addresses are rediss:// or none is')
  const { host, port, db, ...common } = first
  return common
}

function parseUrl (text: string): RedisClientOptions {
  const url = URL.parse(text)
  if (url === null || !['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '') {
    throw new ConfigInvalidError('store.url must look like redis://host:6379 or rediss://host:6379')
  }
  // ioredis takes query parameters for options, also for those above.
  if (url.search !== '') throw new ConfigInvalidError('store.url must not have query parameters')
  const database = /^\/?(\d*)$/.exec(url.pathname)?.[1]
  if (database === undefined) throw new ConfigInvalidError('store.url must end in a database number or nothing, such as redis://host:6379/0')
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 6379),
    db: Number(database),
    ...url.username === '' ? {} : { username: decodeURIComponent(url.username) },
    ...url.password === '' ? {} : { password: decodeURIComponent(url.password) },
    ...url.protocol === 'rediss:' ? { tls: {} } : {}
  }
}

function parseSentinels ({ sentinels, name, username, password }: Extract<RedisTarget, { name: string }>): RedisClientOptions {
  const parsed = sentinels.map(parseUrl)
  const [first] = parsed
  if (first === undefined) throw new ConfigInvalidError('store.sentinels must name at least one sentinel')
  return {
    name,
    sentinels: parsed.map(({ host, port }) => ({ host: host ?? '', port: port ?? 26379 })),
    ...username === undefined ? {} : { username },
    ...password === undefined ? {} : { password },
    // The scheme is that of the sentinels and of what they name.
    ...first.tls === undefined ? {} : { tls: first.tls, sentinelTLS: first.tls, enableTLSForSentinelMode: true },
    sentinelRetryStrategy: retryStrategy,
    ...first.username === undefined ? {} : { sentinelUsername: first.username },
    ...first.password === undefined ? {} : { sentinelPassword: first.password }
  }
}
