import { Type } from '@sinclair/typebox'
import type { FastifyInstance } from 'fastify'
import fp from 'fastify-plugin'
import { ConfigInvalidError } from '../lib/errors.ts'
import { checkOptions } from '../lib/check-options.ts'
import type { CreateCounts } from '../stores/counts.ts'
import { storePluginName, type OpenedStore } from '../stores/driver.ts'
import { drivers, findDriver, type DriverOptions } from '../stores/drivers.ts'
import type { Store } from '../stores/store.ts'
import { addPart, beginPart } from './portcullis.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    /** Store that holds sessions, revocations and signing keys. */
    store: Store
    /** Creates counters that every process on the store shares; null where each process counts alone. */
    createCounts: CreateCounts | null
    /**
     * Clock of this process, in milliseconds since the epoch, by which tokens are issued and verified and requests are counted: the option
     * `clock` of the store, otherwise `Date.now`.
     */
    clock: () => number
  }
}

export type StoreOptions =
  | DriverOptions
  /**
   * A store of the application, or one that several servers share. It is not ended with this server. `clock` is the clock of tokens, which
   * should be that of the store; default `Date.now`.
   */
  | { type: 'custom', store: Store, clock?: () => number }

const CustomOptions = Type.Object({ type: Type.Literal('custom'), store: Type.Unsafe<Store>(Type.Object({}, { errorMessage: 'must be a store' })), clock: Type.Optional(Type.Unsafe<() => number>(Type.Function([], Type.Number(), { errorMessage: 'must be a function that returns milliseconds since the epoch' }))) }, { additionalProperties: false })

const kinds = new Intl.ListFormat('en-GB', { type: 'disjunction' }).format([...drivers.map(({ type }) => type), 'custom'])

/** Every method of a store; the type makes the list complete. */
const methods: Record<Exclude<keyof Store, 'type'>, true> = {
  nowMs: true,
  open: true,
  read: true,
  touch: true,
  rotate: true,
  noteReceived: true,
  renew: true,
  openFromProvider: true,
  renewFromProvider: true,
  endProviderSessions: true,
  bindDevice: true,
  renewDevice: true,
  replaceData: true,
  close: true,
  list: true,
  revokeToken: true,
  revokeSubject: true,
  revokeAll: true,
  lastCutMs: true,
  reassert: true,
  isGood: true,
  snapshot: true,
  pull: true,
  onGrowth: true,
  readKeys: true,
  writeKeys: true,
  putNote: true,
  readNotes: true,
  useOnce: true,
  end: true
}

/** Opens the store, sqlite by default, and ends it with the server. */
export default fp<StoreOptions>(async function storePlugin (fastify, options) {
  beginPart(fastify, 'store')
  const { store, expose, createCounts = null } = await openStoreOf(fastify, options)
  await expose?.(fastify)
  addPart(fastify, 'store', store)
  addPart(fastify, 'createCounts', createCounts)
  // Date is read at each call, so that a test may replace it after the start.
  addPart(fastify, 'clock', 'clock' in options && options.clock !== undefined ? options.clock : () => Date.now())
  if (options.type !== 'custom') fastify.addHook('onClose', async () => await store.end())
}, { name: storePluginName, fastify: '5.x' })

async function openStoreOf (fastify: FastifyInstance, options: StoreOptions): Promise<OpenedStore> {
  if (options.type === 'custom') return { store: assertStore(checkOptions(storePluginName, CustomOptions, options).store) }
  if (options.type === 'redis' && 'clock' in options) throw new ConfigInvalidError(`${storePluginName}: clock is an option of sqlite and of custom stores, because Redis has a clock of its own; leave it out`)
  const driver = findDriver(options.type)
  if (driver === undefined) throw new ConfigInvalidError(`${storePluginName}: type must be ${kinds}`)
  const warn = (text: string): void => fastify.log.warn(text)
  return await driver.open(options, { onWait: warn, onWarning: warn })
}

/** Throws ConfigInvalidError that names what a store of the application lacks, which a request would find missing much later. */
function assertStore (store: Store): Store {
  const missing = Object.keys(methods).filter(name => typeof store[name as keyof Store] !== 'function')
  if (missing.length > 0) throw new ConfigInvalidError(`${storePluginName}: store must implement Store; it has no method ${new Intl.ListFormat('en-GB').format(missing)}`)
  if (typeof store.type !== 'string') throw new ConfigInvalidError(`${storePluginName}: store.type must be a text that names the kind of the store`)
  return store
}
