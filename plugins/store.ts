import fastifyRedis from '@fastify/redis'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { DurationOption, checkOptions, durationMs, type Duration } from '../lib/options.ts'
import { openStore } from '../stores/open.ts'
import type { Store } from '../stores/store.ts'
import { addPart } from './portcullis.ts'

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
    /** `redis://` or `rediss://` */
    url: string
    /** Longest wait for an operation; default 250ms. */
    timeout?: Duration
  }
  /** A store of the application's own, or one that several servers share. Not ended with this server. */
  | { type: 'custom', store: Store }

const SqliteOptions = Type.Object({ type: Type.Optional(Type.Literal('sqlite', { errorMessage: 'must be sqlite, redis or custom' })), path: Type.String({ minLength: 1, default: 'portcullis.db' }), timeout: Type.Optional(DurationOption) }, { additionalProperties: false })
const RedisOptions = Type.Object({ type: Type.Literal('redis'), url: Type.String({ pattern: '^rediss?://', errorMessage: 'must be a redis:// or rediss:// URL' }), timeout: Type.Optional(DurationOption) }, { additionalProperties: false })
const CustomOptions = Type.Object({ type: Type.Literal('custom'), store: Type.Unsafe<Store>(Type.Object({}, { errorMessage: 'must be a store' })) }, { additionalProperties: false })

/** Opens the store, sqlite by default, and ends it with the server. */
export default fp<StoreOptions>(async function storePlugin (fastify, options) {
  const store = await openStoreOf(fastify, options)
  addPart(fastify, 'store', store)
  if (options.type !== 'custom') fastify.addHook('onClose', async () => await store.end())
}, { name: 'portcullis-store', fastify: '5.x' })

async function openStoreOf (fastify: FastifyInstance, options: StoreOptions): Promise<Store> {
  if (options.type === 'custom') return checkOptions('portcullis-store', CustomOptions, options).store
  const { timeout, ...address } = options.type === 'redis'
    ? checkOptions('portcullis-store', RedisOptions, options)
    : { ...checkOptions('portcullis-store', SqliteOptions, options), type: 'sqlite' as const }
  const { store, redis } = await openStore({ ...address, ...timeout === undefined ? {} : { timeoutMs: durationMs(timeout) } })
  // With a client that is connected: @fastify/redis itself waits for one without end, and then says nothing of it.
  if (redis !== null) await fastify.register(fastifyRedis, { client: redis, namespace: 'portcullis' })
  return store
}
