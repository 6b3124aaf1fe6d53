/** @ts-ignore: an application without ioredis, which is an optional peer, checks the declarations of this file too. */
import type { RedisOptions } from 'ioredis'
import { ConfigInvalidError } from '../../lib/errors.ts'
import { addressesOf, findRedisProblems, parseRedisUrl, redisUrlProblem, type RedisAddress, type RedisSettings } from './addresses.ts'
import { acceptNames } from './server-names.ts'

export interface RedisLogin {
  /** The user and the password at the servers that hold data. */
  username?: string
  password?: string
  /** The number of the database. Default: 0. Not with a Cluster. */
  database?: number
  tls?: RedisTls
}

/** The TLS settings for `rediss://`, in PEM: the authorities to trust in place of Node's, and the client certificate. */
export interface RedisTls {
  /** Authorities that are trusted. */
  ca?: string | Buffer
  /** Certificate that the gateway presents; goes with `key`. */
  cert?: string | Buffer
  /** Private key of `cert`. */
  key?: string | Buffer
}

export type RedisTarget =
  /** The URL `redis://` or `rediss://`, with user, password and database number where needed. */
  | string
  | { url: string } & RedisLogin
  /** The addresses of the sentinels, with the sentinels' user and password, and the name of the primary that they watch. */
  | { sentinels: string[], name: string } & RedisLogin
  /** The addresses of nodes of a Cluster. */
  | { cluster: string[] } & RedisLogin

/** The client's options, except those that change the shape of replies and those that @fastify/redis sets itself. */
export type RedisClientOptions = Omit<RedisOptions, 'replyMapping' | 'clientInfoTag'>

/**
 * Returns the options that a connection to the store needs. After a lost reply it is unknown whether the command was executed, and
 * sending it again would present a refresh token twice. A command is therefore sent at most once, and its caller is told at once.
 */
export function redisOptions (target: RedisTarget): RedisClientOptions {
  return {
    ...parse(typeof target === 'string' ? { url: target } : target),
    autoResendUnfulfilledCommands: false,
    // A command whose connection broke would otherwise stay pending indefinitely, because it is not sent again.
    maxRetriesPerRequest: 0,
    // A queued command would be executed after its caller has given up.
    enableOfflineQueue: false,
    // A pipeline does not tell which of its scripts the server has forgotten.
    enableAutoPipelining: false,
    lazyConnect: false,
    enableReadyCheck: true,
    maxLoadingRetryTime: 1000,
    connectTimeout: 2000,
    keepAlive: 10_000,
    disconnectTimeout: 500,
    retryStrategy,
    // A demoted primary refuses every script. The value true reconnects to find the new primary, and never sends the command again.
    reconnectOnError: error => error.message.startsWith('READONLY')
  }
}

/**
 * Returns the delay before an attempt, counted from one, in milliseconds: doubling up to a second, with jitter so that gateways do
 * not reconnect in step.
 */
export function retryStrategy (attempt: number): number {
  const ceiling = Math.min(1000, 50 * 2 ** Math.min(attempt, 10))
  return Math.round(ceiling * (0.5 + Math.random() / 2))
}

/** Returns the addresses of a target. Throws ConfigInvalidError for invalid ones. */
export function parseAddresses (settings: RedisSettings): RedisAddress[] {
  const { setting, texts } = addressesOf(settings)
  if (texts.length === 0) throw new ConfigInvalidError(`store.${setting} must name at least one ${setting === 'cluster' ? 'node' : 'server'}`)
  for (const text of texts) {
    const problem = redisUrlProblem(text)
    if (problem !== null) throw new ConfigInvalidError(`store.${setting}: ${problem}`)
  }
  const [problem] = findRedisProblems(settings)
  if (problem !== undefined) throw new ConfigInvalidError(`store.${problem.setting}: ${problem.text}`)
  return texts.map(parseRedisUrl)
}

function parse (settings: RedisSettings & RedisLogin): RedisClientOptions {
  const addresses = parseAddresses(settings)
  const [first] = addresses as [RedisAddress]
  const inAddresses = { username: firstOf(addresses, 'username'), password: firstOf(addresses, 'password') }
  const tls = first.isTls ? { ...settings.tls, ...acceptNames(addresses.map(({ host }) => host)) } : null
  if (settings.sentinels !== undefined) {
    return {
      name: settings.name ?? '',
      sentinels: addresses.map(({ host, port }) => ({ host, port: port ?? 26379 })),
      db: settings.database ?? 0,
      ...login(settings),
      // The scheme of the sentinels applies to the servers that they name too.
      ...tls === null ? {} : { tls, sentinelTLS: tls, enableTLSForSentinelMode: true },
      sentinelRetryStrategy: retryStrategy,
      ...inAddresses.username === undefined ? {} : { sentinelUsername: inAddresses.username },
      ...inAddresses.password === undefined ? {} : { sentinelPassword: inAddresses.password }
    }
  }
  return {
    ...settings.cluster === undefined ? { host: first.host, port: first.port ?? 6379, db: settings.database ?? first.database ?? 0 } : {},
    ...login({ ...inAddresses, ...login(settings) }),
    ...tls === null ? {} : { tls }
  }
}

function firstOf (addresses: RedisAddress[], part: 'username' | 'password'): string | undefined {
  return addresses.find(address => address[part] !== null)?.[part] ?? undefined
}

function login ({ username, password }: { username?: string | undefined, password?: string | undefined }): { username?: string, password?: string } {
  return { ...username === undefined ? {} : { username }, ...password === undefined ? {} : { password } }
}
