import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fp from 'fastify-plugin'
import t from 'tap'
import { tokenKeyOf } from '../../lib/revocation/revocation-keys.ts'
import storePlugin, { type StoreOptions } from '../../plugins/store.ts'
import { MemoryStore } from '../../examples/memory-store.ts'
import { buildApp, createServer, createStore, openSession } from '../helpers/build-app.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

t.test('sqlite is the store by default, and what it keeps survives the server', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-store-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'portcullis.db')

  const first = createServer(t)
  await first.register(storePlugin, { path })
  await first.portcullis.store.revokeToken({ issuer: 'i', jti: 'j', expiresAtMs: Date.now() + 60_000 })
  await first.close()

  const second = createServer(t)
  await second.register(storePlugin, { path, timeout: '1s' })
  t.equal(second.portcullis.store.type, 'sqlite')
  t.match(await takeSnapshot(second.portcullis.store), { revocations: [{ kind: 'jti', tokenKey: tokenKeyOf('i', 'j') }] })
})

t.test('the store ends with the server that opened it', async t => {
  const app = createServer(t)
  await app.register(storePlugin, { path: ':memory:' })
  const { store } = app.portcullis
  await app.close()

  await t.rejects(store.read('AAAAAAAAAAAAAAAAAAAAAA'), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
})

t.test('a store that the application gives is used, and stays open for others', async t => {
  const { store } = await createStore(t)
  const app = createServer(t)
  await app.register(storePlugin, { type: 'custom', store })
  t.equal(app.portcullis.store, store)
  await app.close()

  t.equal(await store.read('AAAAAAAAAAAAAAAAAAAAAA'), null)
})

t.test('the store outlives the other plugins\' own end', async t => {
  const app = createServer(t)
  await app.register(storePlugin, { path: ':memory:' })
  app.addHook('onClose', async () => { t.equal(await app.portcullis.store.read('AAAAAAAAAAAAAAAAAAAAAA'), null) })

  await app.close()
})

t.test('a store that cannot be opened lets nothing start', async t => {
  const app = createServer(t)
  await t.rejects(async () => { await app.register(storePlugin, { path: join(tmpdir(), 'not-there', 'portcullis.db') }) })
})

t.test('wrong options are refused by name', async t => {
  for (const [options, message] of [
    [{ path: '' }, /^portcullis-store: path /],
    [{ path: 1 }, /^portcullis-store: path /],
    [{ url: 'redis://127.0.0.1' }, 'portcullis-store: url is not an option'],
    [{ type: 'memory' }, 'portcullis-store: type must be sqlite, redis or custom'],
    [{ type: 'redis' }, 'portcullis-store: one of url, cluster and sentinels is required'],
    [{ type: 'redis', url: 'redis://127.0.0.1', cluster: ['redis://127.0.0.1'] }, 'portcullis-store: one of url, cluster and sentinels is required'],
    [{ type: 'redis', cluster: [] }, /^portcullis-store: cluster /],
    [{ type: 'redis', sentinels: ['redis://127.0.0.1'] }, 'portcullis-store: name goes with sentinels'],
    [{ type: 'redis', url: 'http://127.0.0.1' }, 'portcullis-store: url must be a redis:// or rediss:// URL'],
    [{ type: 'redis', url: 'redis://127.0.0.1', path: 'x' }, 'portcullis-store: path is not an option'],
    [{ path: ':memory:', timeout: 'soon' }, /^portcullis-store: timeout must be a duration/],
    [{ type: 'custom' }, 'portcullis-store: store is required'],
    [{ type: 'custom', store: null }, 'portcullis-store: store must be a store']
  ] as const) {
    const app = createServer(t)
    await t.rejects(async () => { await app.register(storePlugin, options as unknown as StoreOptions) }, { code: 'PTC_ERR_CONFIG_INVALID', message }, JSON.stringify(options))
  }
})

t.test('a store of the application that lacks a method is refused by name, before a request misses it', async t => {
  for (const [store, message] of [
    [{ ...complete(), bindDevice: undefined, putNote: 'text' }, 'portcullis-store: store must implement Store; it has no method bindDevice and putNote'],
    [{}, /^portcullis-store: store must implement Store; it has no method nowMs, open, read, /],
    [{ ...complete(), type: undefined }, 'portcullis-store: store.type must be a text that names the kind of the store']
  ] as const) {
    const app = createServer(t)
    await t.rejects(async () => { await app.register(storePlugin, { type: 'custom', store } as unknown as StoreOptions) }, { code: 'PTC_ERR_CONFIG_INVALID', message })
  }
})

/** A store whose methods are own members. */
function complete (): object {
  const store = new MemoryStore()
  const names = Object.getOwnPropertyNames(MemoryStore.prototype) as Array<keyof MemoryStore>
  return Object.fromEntries([['type', 'memory'], ...names.map(name => [name, store[name]])])
}

t.test('a store of the application may be an instance of a class, and is not ended with the server', async t => {
  const store = new MemoryStore()
  for (const subject of ['ada', 'bob']) {
    const app = await buildApp(t, store)
    const { cookie } = await openSession(app, subject)
    t.equal(app.portcullis.store, store)
    t.match(cookie, /portcullis=/)
    t.equal((await store.list(subject)).length, 1)
    await app.close()
  }
  t.equal((await store.list('ada')).length, 1)
})

t.test('a plugin of another name that is called store is none of ours', async t => {
  const app = createServer(t)
  await app.register(fp(async () => {}, { name: 'store' }))
  await app.register(fp(async () => {}, { name: 'portcullis' }))
  const { default: blocklist } = await import('../../plugins/blocklist.ts')

  await t.rejects(async () => { await app.register(blocklist) }, { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' })
})

t.test('a clock is refused for Redis, which has its own, and where it is no function', async t => {
  const refusal = async (options: object) => await createServer(t).register(storePlugin, options as never).then(() => null, (error: Error) => error.message)

  t.match(await refusal({ type: 'redis', url: 'redis://127.0.0.1:1', clock: Date.now }), /^portcullis-store: clock is an option of sqlite and of custom stores, .*leave it out$/)
  t.equal(await refusal({ path: ':memory:', clock: 5 }), 'portcullis-store: clock must be a function that returns milliseconds since the epoch')
  t.equal(await refusal({ type: 'custom', store: {}, clock: 5 }), 'portcullis-store: clock must be a function that returns milliseconds since the epoch')
})
