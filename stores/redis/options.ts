import type { RedisOptions } from 'ioredis'
import { ConfigInvalidError } from '../../lib/errors.ts'
import { addressesOf, findRedisProblems, parseRedisUrl, redisUrlProblem, type RedisAddress, type RedisSettings } from './addresses.ts'
import { acceptNames } from './server-names.ts'

export interface RedisLogin {
  /** User and password at the servers that hold data. */
  username?: string
  password?: string
  /** Number of the database. Default 0. Not with a Cluster. */
  database?: number
  tls?: RedisTls
}

/** For `rediss://`, PEM: whom to trust in place of the authorities that Node knows, and the certificate to show. */
export interface RedisTls {
  ca?: string | Buffer
  cert?: string | Buffer
  key?: string | Buffer
}

export type RedisTarget =
  /** `redis://` or `rediss://`, with user, password and database number where needed. */
  | string
  | { url: string } & RedisLogin
  /** Addresses of the sentinels, with the user and the password of the sentinels, and the name of the primary that they watch. */
  | { sentinels: string[], name: string } & RedisLogin
  /** Addresses of nodes of a Cluster. */
  | { cluster: string[] } & RedisLogin

/** Without what would give replies other shapes, and what @fastify/redis sets itself. */
export type RedisClientOptions = Omit<RedisOptions, 'replyMapping' | 'clientInfoTag'>

/**
 * What a connection to the store must be like. After a lost reply nobody knows whether a command was executed: sending it again
 * would present a refresh token twice, so a command is sent once or not at all, and its caller is told at once.
 */
export function redisOptions (target: RedisTarget): RedisClientOptions {
  return {
    ...parse(typeof target === 'string' ? { url: target } : target),
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

/** The addresses of a target. Throws ConfigInvalidError for what cannot be used. */
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
      // The scheme is that of the sentinels and of what they name.
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
