import fastifyRedis from '@fastify/redis'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Redis } from 'ioredis'
import { ConfigInvalidError } from '../lib/errors.ts'
import { checkOptions, type Duration } from '../lib/options.ts'
import { durationOption, optionsOf } from '../lib/settings/options.ts'
import { defaultKeyPrefix, mostDatabase } from '../stores/redis/settings.ts'
import { openStore, type SharedRedis, type StoreAddress } from '../stores/open.ts'
import type { RedisTarget, RedisTls } from '../stores/redis.ts'
import type { Store } from '../stores/store.ts'
import { addPart, beginPart } from './portcullis.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    /** Store that holds sessions, revocations and signing keys. */
    store: Store
    /** Redis of the store, for other shared data; null with every other store. */
    sharedRedis: SharedRedis | null
  }
}

export type StoreOptions =
  | {
    type?: 'sqlite'
    /** Database file, created if absent; `:memory:` for tests. Default `portcullis.db`. */
    path?: string
    /** Maximum wait for a write; default 5s. */
    timeout?: Duration
  }
  | {
    type: 'redis'
    /** Maximum wait for an operation; default 250ms. */
    timeout?: Duration
    /** Prefix of every key. Deployments that share a Redis need different ones. Default `portcullis:`. */
    keyPrefix?: string
    /** User and password at the servers that hold data, if the addresses do not contain them. */
    username?: string
    password?: string
    /** Number of the database; not supported with a Cluster. Default 0. */
    database?: number
    /** PEM for `rediss://`: authorities to trust in place of those that Node knows, and the client certificate. */
    tls?: RedisTls
  } & (
    /** Address of the server: `redis://` or `rediss://`. */
    | { url: string }
    /** Nodes of a Redis Cluster, from which the other nodes are discovered. */
    | { cluster: string[] }
    /** Sentinels, with their own user and password, and the name under which they know the primary. */
    | { sentinels: string[], name: string }
  )
  /** A store of the application, or one that several servers share. It does not end with this server. */
  | { type: 'custom', store: Store }

const SqliteOptions = optionsOf({}, { type: Type.Optional(Type.Literal('sqlite', { errorMessage: 'must be sqlite, redis or custom' })), path: Type.String({ minLength: 1, default: 'portcullis.db' }), timeout: Type.Optional(durationOption()) })
const Address = Type.String({ pattern: '^rediss?://', errorMessage: 'must be a redis:// or rediss:// URL' })
const Text = Type.String({ minLength: 1 })
const Pem = Type.Union([Text, Type.Uint8Array()], { errorMessage: 'must be PEM, as a text or a Buffer' })
const RedisOptions = optionsOf({}, {
  type: Type.Literal('redis'),
  url: Type.Optional(Address),
  cluster: Type.Optional(Type.Array(Address, { minItems: 1 })),
  sentinels: Type.Optional(Type.Array(Address, { minItems: 1 })),
  name: Type.Optional(Text),
  username: Type.Optional(Text),
  password: Type.Optional(Text),
  database: Type.Optional(Type.Integer({ minimum: 0, maximum: mostDatabase, errorMessage: `must be a whole number from 0 to ${mostDatabase}` })),
  keyPrefix: Type.String({ default: defaultKeyPrefix }),
  tls: Type.Optional(Type.Unsafe<RedisTls>(Type.Object({ ca: Type.Optional(Pem), cert: Type.Optional(Pem), key: Type.Optional(Pem) }, { additionalProperties: false, errorMessage: 'must be { ca?, cert?, key? }' }))),
  timeout: Type.Optional(durationOption())
})
const CustomOptions = Type.Object({ type: Type.Literal('custom'), store: Type.Unsafe<Store>(Type.Object({}, { errorMessage: 'must be a store' })) }, { additionalProperties: false })

/** Opens the store, sqlite by default, and ends it with the server. */
export default fp<StoreOptions>(async function storePlugin (fastify, options) {
  beginPart(fastify, 'store')
  const { store, redis } = await openStoreOf(fastify, options)
  addPart(fastify, 'store', store)
  addPart(fastify, 'sharedRedis', redis)
  if (options.type !== 'custom') fastify.addHook('onClose', async () => await store.end())
}, { name: 'portcullis-store', fastify: '5.x' })

async function openStoreOf (fastify: FastifyInstance, options: StoreOptions): Promise<{ store: Store, redis: SharedRedis | null }> {
  if (options.type === 'custom') return { store: checkOptions('portcullis-store', CustomOptions, options).store, redis: null }
  const warn = (text: string): void => fastify.log.warn(text)
  const opened = await openStore(options.type === 'redis' ? redisAddress(options) : sqliteAddress(options), { onWait: warn, onWarning: warn })
  // The client is already connected, because @fastify/redis itself would wait for a connection without limit, and then report nothing.
  if (opened.redis !== null && (fastify as { redis?: { portcullis?: Redis } }).redis?.portcullis === undefined) await fastify.register(fastifyRedis, { client: opened.redis.client as Redis, namespace: 'portcullis' })
  return opened
}

function sqliteAddress (options: object): StoreAddress {
  const { path, timeoutMs } = checkOptions('portcullis-store', SqliteOptions, options)
  return { type: 'sqlite', path, ...timeoutMs === undefined ? {} : { timeoutMs } }
}

function redisAddress (options: object): StoreAddress {
  const { type, timeoutMs, keyPrefix, ...target } = checkOptions('portcullis-store', RedisOptions, options)
  const ways = [target.url, target.cluster, target.sentinels].filter(way => way !== undefined)
  if (ways.length !== 1) throw new ConfigInvalidError('portcullis-store: one of url, cluster and sentinels is required')
  if ((target.sentinels === undefined) !== (target.name === undefined)) throw new ConfigInvalidError('portcullis-store: name goes with sentinels')
  if ((target.tls?.cert === undefined) !== (target.tls?.key === undefined)) throw new ConfigInvalidError('portcullis-store: tls.cert goes with tls.key')
  return { type, target: target as Exclude<RedisTarget, string>, keyPrefix, ...timeoutMs === undefined ? {} : { timeoutMs } }
}
