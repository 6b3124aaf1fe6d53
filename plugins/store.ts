import fastifyRedis from '@fastify/redis'
import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import type { Redis } from 'ioredis'
import { ConfigInvalidError } from '../lib/errors.ts'
import { checkOptions } from '../lib/options.ts'
import { storePlugin, type OpenedStore, type SharedRedis } from '../stores/driver.ts'
import { drivers, findDriver, type DriverOptions } from '../stores/drivers.ts'
import type { Store } from '../stores/store.ts'
import { addPart, beginPart } from './portcullis.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    /** Where sessions, revocations and signing keys are true. */
    store: Store
    /** The Redis of the store, for what else is shared there; null with every other store. */
    sharedRedis: SharedRedis | null
  }
}

export type StoreOptions =
  | DriverOptions
  /** A store of the application, or one that several servers share. It is not ended with this server. */
  | { type: 'custom', store: Store }

const CustomOptions = Type.Object({ type: Type.Literal('custom'), store: Type.Unsafe<Store>(Type.Object({}, { errorMessage: 'must be a store' })) }, { additionalProperties: false })

const kinds = new Intl.ListFormat('en-GB', { type: 'disjunction' }).format([...drivers.map(({ type }) => type), 'custom'])

/** Opens the store, sqlite by default, and ends it with the server. */
export default fp<StoreOptions>(async function storePlugin (fastify, options) {
  beginPart(fastify, 'store')
  const { store, redis } = await openStoreOf(fastify, options)
  addPart(fastify, 'store', store)
  addPart(fastify, 'sharedRedis', redis)
  if (options.type !== 'custom') fastify.addHook('onClose', async () => await store.end())
}, { name: storePlugin, fastify: '5.x' })

async function openStoreOf (fastify: FastifyInstance, options: StoreOptions): Promise<OpenedStore> {
  if (options.type === 'custom') return { store: checkOptions(storePlugin, CustomOptions, options).store, redis: null }
  const driver = findDriver(options.type)
  if (driver === undefined) throw new ConfigInvalidError(`${storePlugin}: type must be ${kinds}`)
  const warn = (text: string): void => fastify.log.warn(text)
  const opened = await driver.open(options, { onWait: warn, onWarning: warn })
  // With a client that is connected: @fastify/redis itself waits for one without end, and then says nothing of it.
  if (opened.redis !== null && (fastify as { redis?: { portcullis?: Redis } }).redis?.portcullis === undefined) await fastify.register(fastifyRedis, { client: opened.redis.client as Redis, namespace: 'portcullis' })
  return opened
}
