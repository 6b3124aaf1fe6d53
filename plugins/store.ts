import fastifyRedis from '@fastify/redis'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Redis } from 'ioredis'
import { ConfigInvalidError } from '../lib/errors.ts'
import { DurationOption, checkOptions, durationMs, type Duration } from '../lib/options.ts'
import { openStore, type StoreAddress } from '../stores/open.ts'
import type { Store } from '../stores/store.ts'
import { addPart, beginPart } from './portcullis.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    /** Where sessions, revocations and signing keys are true. */
    store: Store
  }
}

export type StoreOptions =
  | {
    type?: 'sqlite'
    /** The database file, made if absent; `:memory:` for tests. Default `portcullis.db`. */
    path?: string
    /** Longest wait for a write; default 5s. */
    timeout?: Duration
  }
  | {
    type: 'redis'
    /** Longest wait for an operation; default 250ms. */
    timeout?: Duration
  } & (
    /** `redis://` or `rediss://` */
    | { url: string }
    /** Nodes of a Redis Cluster; the others are found from there. */
    | { cluster: string[] }
    /** Sentinels, and the name under which they know the primary; user and password are the primary's. */
    | { sentinels: string[], name: string, username?: string, password?: string }
  )
  /** A store of the application's own, or one that several servers share. Not ended with this server. */
  | { type: 'custom', store: Store }

const SqliteOptions = Type.Object({ type: Type.Optional(Type.Literal('sqlite', { errorMessage: 'must be sqlite, redis or custom' })), path: Type.String({ minLength: 1, default: 'portcullis.db' }), timeout: Type.Optional(DurationOption) }, { additionalProperties: false })
const Address = Type.String({ pattern: '^rediss?://', errorMessage: 'must be a redis:// or rediss:// URL' })
const Text = Type.String({ minLength: 1 })
const RedisOptions = Type.Object({
  type: Type.Literal('redis'),
  url: Type.Optional(Address),
  cluster: Type.Optional(Type.Array(Address, { minItems: 1 })),
  sentinels: Type.Optional(Type.Array(Address, { minItems: 1 })),
  name: Type.Optional(Text),
  username: Type.Optional(Text),
  password: Type.Optional(Text),
  timeout: Type.Optional(DurationOption)
}, { additionalProperties: false })
const CustomOptions = Type.Object({ type: Type.Literal('custom'), store: Type.Unsafe<Store>(Type.Object({}, { errorMessage: 'must be a store' })) }, { additionalProperties: false })

/** Opens the store, sqlite by default, and ends it with the server. */
export default fp<StoreOptions>(async function storePlugin (fastify, options) {
  beginPart(fastify, 'store')
  const store = await openStoreOf(fastify, options)
  addPart(fastify, 'store', store)
  if (options.type !== 'custom') fastify.addHook('onClose', async () => await store.end())
}, { name: 'portcullis-store', fastify: '5.x' })

/** The client of a store that is in Redis. */
const clients = new WeakMap<Store, Redis>()

/** Returns the client of a store, for what else is kept on the same server; undefined where the store is not in Redis. */
export function redisOf (store: Store): Redis | undefined {
  return clients.get(store)
}

async function openStoreOf (fastify: FastifyInstance, options: StoreOptions): Promise<Store> {
  if (options.type === 'custom') return checkOptions('portcullis-store', CustomOptions, options).store
  const { store, redis } = await openStore(options.type === 'redis' ? redisAddress(options) : sqliteAddress(options))
  // With a client that is connected: @fastify/redis itself waits for one without end, and then says nothing of it.
  if (redis !== null) {
    clients.set(store, redis as Redis)
    if ((fastify as { redis?: { portcullis?: Redis } }).redis?.portcullis === undefined) await fastify.register(fastifyRedis, { client: redis as Redis, namespace: 'portcullis' })
  }
  return store
}

function sqliteAddress (options: object): StoreAddress {
  const { path, timeout } = checkOptions('portcullis-store', SqliteOptions, options)
  return { type: 'sqlite', path, ...timeoutOf(timeout) }
}

function redisAddress (options: object): StoreAddress {
  const { type, timeout, url, cluster, sentinels, ...primary } = checkOptions('portcullis-store', RedisOptions, options)
  const ways = [url, cluster, sentinels].filter(way => way !== undefined)
  if (ways.length !== 1) throw new ConfigInvalidError('portcullis-store: one of url, cluster and sentinels is required')
  if ((sentinels === undefined) !== (primary.name === undefined)) throw new ConfigInvalidError('portcullis-store: name goes with sentinels')
  const target = url ?? (cluster === undefined ? { sentinels: sentinels ?? [], ...primary, name: primary.name ?? '' } : { cluster })
  return { type, target, ...timeoutOf(timeout) }
}

function timeoutOf (timeout: Duration | undefined): { timeoutMs?: number } {
  return timeout === undefined ? {} : { timeoutMs: durationMs(timeout) }
}
