import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import { type SealedKeys, publishAheadMs } from '../../lib/jwt/signing-key.ts'
import blocklist from '../../plugins/blocklist.ts'
import keys, { type KeysOptions } from '../../plugins/keys.ts'
import storePlugin from '../../plugins/store.ts'
import { createRedisStore } from '../../stores/redis.ts'
import type { Store } from '../../stores/store.ts'
import { createFaultyStore, createServer, createStore, otherSecret, secret, until } from '../helpers/build-app.ts'
import { connectAdmin, connectRedis, startRedis } from '../helpers/redis-server.ts'

async function build (t: Test, store: Store, options: Partial<KeysOptions> = {}) {
  const app = createServer(t)
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(keys, { secret, ...options })
  return app
}

async function buildFollowing (t: Test, store: Store) {
  const app = createServer(t)
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(blocklist)
  await app.register(keys, { secret })
  return app.portcullis.keys
}

t.test('the first start makes a key, and the next ones find it', async t => {
  const { store } = await createStore(t)
  const first = (await build(t, store)).portcullis.keys.current()
  const second = (await build(t, store)).portcullis.keys.current()

  t.equal(first.kid, second.kid)
  t.equal(first.algorithm, 'ES256')
  t.equal((await store.readKeys())?.version, 1)
})

t.test('however many processes start at the same time, there is one key', async t => {
  const { store } = await createStore(t)
  const apps = await Promise.all(Array.from({ length: 8 }, async () => await build(t, store)))

  t.equal(new Set(apps.map(app => app.portcullis.keys.current().kid)).size, 1)
  for (const app of apps) t.equal(app.portcullis.keys.jwks().keys.length, 1)
})

t.test('a process that loses the race between reading and writing takes the winner\'s key', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  let winner = ''
  faulty.before('writeKeys', async () => { winner = (await build(t, store)).portcullis.keys.current().kid })

  const app = await build(t, faulty.store)

  t.equal(app.portcullis.keys.current().kid, winner)
  t.equal(faulty.calls.writeKeys, 1)
})

t.test('the published keys have no private member, and the stored ones are sealed', async t => {
  for (const algorithm of ['ES256', 'EdDSA', 'RS256'] as const) {
    const { store } = await createStore(t)
    const { portcullis } = await build(t, store, { algorithm })
    const { privateKey, kid } = portcullis.keys.current()
    const { d } = privateKey.export({ format: 'jwk' })

    const [published] = portcullis.keys.jwks().keys
    t.match(published, { kid, alg: algorithm, use: 'sig' })
    for (const name of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) t.notOk(name in (published ?? {}), name)
    t.notOk(JSON.stringify(portcullis.keys.jwks()).includes(String(d)))
    t.notOk((await store.readKeys())?.text.includes(String(d)))
  }
})

t.test('another secret does not start, and is told what to do', async t => {
  const { store } = await createStore(t)
  await build(t, store)

  await t.rejects(build(t, store, { secret: otherSecret }), { code: 'PTC_ERR_CONFIG_INVALID', message: /secret: .*sealed with another one; give that one too, after the new one/ })
  t.equal((await store.readKeys())?.version, 1)
})

t.test('while the secret is changed both open the keys, and the first one seals new ones', async t => {
  const { store } = await createStore(t)
  const { kid } = (await build(t, store)).portcullis.keys.current()

  const changing = await build(t, store, { secret: [otherSecret, secret] })
  t.equal(changing.portcullis.keys.current().kid, kid)

  const next = await build(t, store, { secret: [otherSecret, secret], algorithm: 'EdDSA' })
  const { keys: sealed } = JSON.parse((await store.readKeys())?.text ?? '') as SealedKeys
  t.equal(sealed.length, 2)
  await store.writeKeys(2, JSON.stringify({ keys: sealed.slice(1) }))
  t.equal((await build(t, store, { secret: otherSecret, algorithm: 'EdDSA' })).portcullis.keys.current().kid, next.portcullis.keys.current().kid)
})

t.test('a new algorithm gets a key of its own, and the old one stays valid', async t => {
  const { store, advance } = await createStore(t)
  const old = (await build(t, store)).portcullis.keys.current()
  const { portcullis } = await build(t, store, { algorithm: 'EdDSA' })

  t.equal(portcullis.keys.current().algorithm, 'ES256')
  advance(publishAheadMs)
  t.equal(portcullis.keys.current().algorithm, 'EdDSA')
  t.equal(portcullis.keys.find(old.kid)?.algorithm, 'ES256')
  t.same(portcullis.keys.jwks().keys.map(({ alg }) => alg), ['ES256', 'EdDSA'])
})

t.test('a key that another process made is found after reading again, at most once a second', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const other = await build(t, store, { algorithm: 'EdDSA' })
  const kid = other.portcullis.keys.jwks().keys.at(-1)?.kid ?? ''
  t.equal(app.portcullis.keys.find(kid), null)
  const before = faulty.calls.readKeys ?? 0

  await Promise.all(Array.from({ length: 100 }, async () => { await app.portcullis.keys.reload() }))
  for (let i = 0; i < 100; i++) await app.portcullis.keys.reload()

  t.equal(app.portcullis.keys.find(kid)?.kid, kid)
  t.equal((faulty.calls.readKeys ?? 0) - before, 1)
})

t.test('a rotated key is published before it signs, and the old one is kept as long as a token of it can live', async t => {
  const { store, advance } = await createStore(t)
  const { portcullis: { keys } } = await build(t, store, { maxTokenAge: '10m' })
  const old = keys.current()

  const next = await keys.rotate()

  t.same(keys.jwks().keys.map(({ kid }) => kid), [old.kid, next.kid])
  t.equal(keys.current().kid, old.kid)
  t.equal((await keys.rotate()).kid, next.kid, 'one waits already')
  advance(publishAheadMs - 5000)
  t.equal(keys.current().kid, old.kid)
  advance(5000)
  t.equal(keys.current().kid, next.kid)
  advance(10 * 60_000)
  t.equal(keys.jwks().keys.length, 2)
  advance(6000)
  t.same(keys.jwks().keys.map(({ kid }) => kid), [next.kid])
})

t.test('whoever is told of changes is told of none where the keys stay as they are', async t => {
  const { store } = await createStore(t)
  const { portcullis: { keys } } = await build(t, store)
  let changes = 0
  keys.onChange(() => { changes++ })
  const { kid } = await keys.rotate()
  t.equal(changes, 1)

  t.equal((await keys.rotate()).kid, kid, 'one waits already')
  await keys.reload()
  t.equal(await keys.revoke('unknown'), null)

  t.equal(changes, 1)
})

t.test('a new key is published for as long as publishAhead says', async t => {
  const { store, advance } = await createStore(t)
  const { portcullis: { keys } } = await build(t, store, { publishAhead: '10m' })
  const old = keys.current()
  const next = await keys.rotate()

  advance(10 * 60_000 - 5000)
  t.equal(keys.current().kid, old.kid)
  advance(5000)
  t.equal(keys.current().kid, next.kid)
})

t.test('other processes learn of a new key and of a revoked one by the log', async t => {
  const { store } = await createStore(t)
  const [here, there] = [await buildFollowing(t, store), await buildFollowing(t, store)]
  const old = there.current()

  const next = await here.rotate()
  await until(() => there.find(next.kid) !== null)
  await here.revoke(old.kid)
  await until(() => there.find(old.kid) === null)

  t.equal(here.current().kid, there.current().kid)
  t.not(here.current().kid, next.kid, 'the waiting one does not sign before everybody can know it')
})

t.test('revoking the only key makes one that signs at once; an unknown one changes nothing', async t => {
  const { store } = await createStore(t)
  const { portcullis: { keys } } = await build(t, store)
  const { kid } = keys.current()

  t.equal(await keys.revoke('unknown'), null)
  t.equal((await keys.revoke(kid))?.kid, kid)

  t.equal(keys.find(kid), null)
  t.not(keys.current().kid, kid)
  t.equal(await keys.revoke(kid), null)
})

t.test('ten processes that rotate at the same moment make one key', async t => {
  const { store } = await createStore(t)
  const rings = await Promise.all(Array.from({ length: 10 }, async () => (await build(t, store)).portcullis.keys))

  const made = await Promise.all(rings.map(async ring => (await ring.rotate()).kid))

  t.equal(new Set(made).size, 1)
  await Promise.all(rings.map(async ring => { await ring.reload() }))
  t.equal(rings[0]?.jwks().keys.length, 2)
})

t.test('keys that the store has lost are written again, and one that was revoked stays revoked', async t => {
  const server = await startRedis(t)
  const store = await createRedisStore({ redis: connectRedis(t, server), timeoutMs: 5000 })
  t.teardown(() => store.end())
  const here = await buildFollowing(t, store)
  const before = here.current()
  await here.revoke(before.kid)
  const [{ kid = '' } = {}] = here.jwks().keys

  const admin = await connectAdmin(t, server)
  await admin.flushall()
  await until(async () => {
    await here.reload()
    return await store.readKeys() !== null
  })

  const there = await buildFollowing(t, store)
  t.equal(there.current().kid, kid)
  t.equal(there.find(before.kid), null)
  t.equal(here.current().kid, kid)
})

t.test('a name that no key has finds none', async t => {
  const { store } = await createStore(t)
  const { portcullis } = await build(t, store)

  for (const kid of ['', '__proto__', 'undefined', portcullis.keys.current().kid.toLowerCase()]) t.equal(portcullis.keys.find(kid), null, kid)
})

t.test('without the store nothing starts, and what was read before stays', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const { kid } = app.portcullis.keys.current()

  faulty.fail()
  await t.rejects(build(t, faulty.store), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
  await t.rejects(app.portcullis.keys.reload(), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
  t.equal(app.portcullis.keys.current().kid, kid)

  faulty.recover()
  await until(async () => await app.portcullis.keys.reload().then(() => true, () => false))
})

t.test('the keys do not boot without the store, nor with a plugin that is only called so', async t => {
  const app = createServer(t)
  await app.register(fp(async () => {}, { name: 'store' }))

  await t.rejects(async () => { await app.register(keys, { secret }) }, { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' })
})

t.test('wrong options are refused by name, and no secret is repeated', async t => {
  const { store } = await createStore(t)
  for (const [options, message] of [
    [{}, 'portcullis-keys: secret is required'],
    [{ secret: 1 }, /^portcullis-keys: secret must be a base64url text/],
    [{ secret: [] }, /^portcullis-keys: secret must be a base64url text/],
    [{ secret: 'hunter2' }, /^portcullis-keys: secret must have at least 32 bytes/],
    [{ secret: [secret, 'hunter2'] }, /^portcullis-keys: secret must have at least 32 bytes/],
    [{ secret, algorithm: 'HS256' }, 'portcullis-keys: algorithm must be ES256, EdDSA or RS256'],
    [{ secret, algorithm: 'none' }, 'portcullis-keys: algorithm must be ES256, EdDSA or RS256'],
    [{ secret, publishAhead: 4999 }, 'portcullis-keys: publishAhead must be at least 5s'],
    [{ secret, rotateEvery: 'soon' }, /^portcullis-keys: rotateEvery must be a duration/]
  ] as const) {
    const app = createServer(t)
    await app.register(storePlugin, { type: 'custom', store })
    const error = await app.register(keys, options as unknown as KeysOptions).then(() => null, (error: unknown) => error as Error)
    t.match(error, { code: 'PTC_ERR_CONFIG_INVALID', message }, JSON.stringify(options))
    t.notMatch(error?.message, /hunter2/)
  }
})
