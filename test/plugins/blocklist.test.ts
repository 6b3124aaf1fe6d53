import jwt from '@fastify/jwt'
import fp from 'fastify-plugin'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import blocklist, { type BlocklistOptions, type RevokeRequest } from '../../plugins/blocklist.ts'
import { LogFollower } from '../../plugins/blocklist/log-follower.ts'
import storePlugin from '../../plugins/store.ts'
import { createSid } from '../../lib/session/sid.ts'
import type { LogEntry } from '../../lib/revocation/entries.ts'
import type { OpenSession, Store } from '../../stores/store.ts'
import { createFaultyStore, createServer, createStore, recordEvents, until } from '../helpers/build-app.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

async function build (t: Test, store: Store, options: BlocklistOptions = {}) {
  const app = createServer(t)
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(blocklist, options)
  return app
}

const signIn: OpenSession = { subject: 'ada', username: 'ada', mode: 'session', secretHash: 'hash', acr: '1', amr: ['pwd'], scopes: [], audiences: [], client: { userAgent: '', ip: '' }, origin: null, absoluteTimeoutMs: 3_600_000, maxPerSubject: 20, maxTokenAgeMs: 900_000 }
const inAnHour = () => Math.floor(Date.now() / 1000) + 3600

t.test('what was revoked is refused at once, and nothing else is', async t => {
  const { store } = await createStore(t)
  const { portcullis: { blocklist } } = await build(t, store)
  await blocklist.revoke({ jti: 'j', issuer: 'i', expiresAt: inAnHour() })
  await blocklist.revoke({ sid: 'AAAAAAAAAAAAAAAAAAAAAA' })

  t.ok(blocklist.isRevoked({ jti: 'j', iss: 'i' }))
  t.ok(blocklist.isRevoked({ jti: 'other', sid: 'AAAAAAAAAAAAAAAAAAAAAA' }))
  for (const claims of [{ jti: 'j', iss: 'k' }, { jti: 'k', iss: 'i' }, { sid: 'j' }, { sub: 'j' }]) t.notOk(blocklist.isRevoked(claims), JSON.stringify(claims))
  await t.rejects(blocklist.assertNotRevoked({ jti: 'j', iss: 'i' }), { code: 'PTC_ERR_TOKEN_INVALID' })
  await t.resolves(blocklist.assertNotRevoked({ jti: 'k' }))
})

t.test('a token that is revoked without its issuer is revoked whoever issued it, in memory and in the store', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const { portcullis: { blocklist } } = await build(t, faulty.store, { maxStaleness: '500ms' })
  await blocklist.revoke({ jti: 'j' })

  for (const claims of [{ jti: 'j' }, { jti: 'j', iss: 'https://idp.example.com' }]) t.ok(blocklist.isRevoked(claims))
  const other = (await build(t, createUndelivered(faulty.store), { maxStaleness: '500ms' })).portcullis.blocklist
  await until(() => !other.isFresh())
  for (const claims of [{ jti: 'j' }, { jti: 'j', iss: 'https://idp.example.com' }]) await t.rejects(other.assertNotRevoked(claims), { code: 'PTC_ERR_TOKEN_INVALID' })
})

t.test('a token without an epoch is cut off by the second of its issue, in memory and in the store', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const { portcullis: { blocklist } } = await build(t, faulty.store, { maxStaleness: '500ms' })
  const iat = Math.floor(Date.now() / 1000)
  t.notOk(blocklist.isRevoked({ sub: 'ada', iat }))
  await blocklist.revoke({ subject: 'ada' })

  t.ok(blocklist.isRevoked({ sub: 'ada', iat }), 'of the very second too')
  t.notOk(blocklist.isRevoked({ sub: 'ada', iat: iat + 60 }))
  t.notOk(blocklist.isRevoked({ sub: 'bob', iat }))
  t.notOk(blocklist.isRevoked({ sub: 'ada', iat, epoch: iat + 60 }), 'an epoch counts before it')
  const other = (await build(t, createUndelivered(faulty.store), { maxStaleness: '500ms' })).portcullis.blocklist
  await until(() => !other.isFresh())
  await t.rejects(other.assertNotRevoked({ sub: 'ada', iat }), { code: 'PTC_ERR_TOKEN_INVALID' })

  await blocklist.revoke({ all: true })
  t.ok(blocklist.isRevoked({ sub: 'bob', iat }))
})

/** A store whose log never tells anything, and which otherwise answers. */
function createUndelivered (store: Store): Store {
  const faulty = createFaultyStore(store)
  faulty.fail('pull')
  return new Proxy(faulty.store, { get: (target, name: keyof Store) => name === 'snapshot' ? async () => ({ position: '0', revocations: [] }) : Reflect.get(target, name) as unknown })
}

t.test('every kind of revocation reaches a second process on the same store', async t => {
  const { store } = await createStore(t)
  const [here, there] = [(await build(t, store)).portcullis.blocklist, (await build(t, store)).portcullis.blocklist]
  const { record } = await store.open(signIn)
  const { record: kept } = await store.open(signIn)
  const claims = { sub: 'ada', sid: record.sid, epoch: record.epoch }

  await here.revoke({ jti: 'j', issuer: 'i' })
  await until(() => there.isRevoked({ jti: 'j', iss: 'i' }))
  const sid = createSid('eve')
  await here.revoke({ sid })
  await until(() => there.isRevoked({ sid }))
  t.notOk(there.isRevoked(claims))

  await here.revoke({ subject: 'ada', exceptSid: kept.sid })
  await until(() => there.isRevoked(claims))
  t.notOk(there.isRevoked({ ...claims, sid: kept.sid }))
  const { record: later } = await store.open(signIn)
  t.notOk(there.isRevoked({ sub: 'ada', sid: later.sid, epoch: later.epoch }))

  await here.revoke({ all: true })
  await until(() => there.isRevoked({ sub: 'ada', sid: later.sid, epoch: later.epoch }))
  t.ok(there.isRevoked({ ...claims, sid: kept.sid }))
  t.equal(await store.read(later.sid), null)
})

t.test('revocations outlive the processes', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-blocklist-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'portcullis.db')
  const before = createServer(t)
  await before.register(storePlugin, { path })
  await before.register(blocklist)
  await before.portcullis.blocklist.revoke({ jti: 'j', issuer: 'i', expiresAt: inAnHour() })
  await before.portcullis.blocklist.revoke({ sid: 'AAAAAAAAAAAAAAAAAAAAAA' })
  await before.portcullis.blocklist.revoke({ subject: 'ada' })
  await before.close()

  const after = createServer(t)
  await after.register(storePlugin, { path })
  await after.register(blocklist)
  for (const claims of [{ jti: 'j', iss: 'i' }, { sid: 'AAAAAAAAAAAAAAAAAAAAAA' }, { sub: 'ada', epoch: 1 }]) t.ok(after.portcullis.blocklist.isRevoked(claims), JSON.stringify(claims))
  t.equal(after.portcullis.blocklist.size, 3)
})

t.test('a replica that has not heard in time throws instead of saying no, and still says yes', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const events = recordEvents(t)
  const { portcullis: { blocklist } } = await build(t, faulty.store, { maxStaleness: '500ms' })
  await blocklist.revoke({ jti: 'j', issuer: 'i' })
  t.notOk(blocklist.isRevoked({ jti: 'k', iss: 'i' }))

  faulty.fail('pull')
  await until(() => !blocklist.isFresh())
  t.throws(() => blocklist.isRevoked({ jti: 'k', iss: 'i' }), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
  t.equal(blocklist.isRevoked({ jti: 'j', iss: 'i' }), true)

  faulty.recover()
  await until(() => blocklist.isFresh())
  t.notOk(blocklist.isRevoked({ jti: 'k', iss: 'i' }))
  t.same(events.filter(({ event }) => event.startsWith('store.')), [{ event: 'store.unavailable' }, { event: 'store.recovered' }])
})

t.test('past its staleness the store itself is asked, and without it nothing is good', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const { portcullis: { blocklist } } = await build(t, faulty.store, { maxStaleness: '500ms' })
  const { record } = await store.open(signIn)
  const claims = { sub: 'ada', sid: record.sid, epoch: record.epoch, jti: 'j', iss: 'i' }
  await blocklist.assertNotRevoked(claims)
  t.equal(faulty.calls.isGood, undefined)

  faulty.fail('pull')
  await until(() => !blocklist.isFresh())
  await t.resolves(blocklist.assertNotRevoked(claims))
  await store.revokeToken({ issuer: 'i', jti: 'j', expiresAtMs: Date.now() + 60_000 })
  await t.rejects(blocklist.assertNotRevoked(claims), { code: 'PTC_ERR_TOKEN_INVALID' })
  await t.resolves(blocklist.assertNotRevoked({ ...claims, jti: 'k' }))
  await store.close(record.sid, { maxTokenAgeMs: 1000 })
  await t.rejects(blocklist.assertNotRevoked({ ...claims, jti: 'k' }), { code: 'PTC_ERR_TOKEN_INVALID' })

  faulty.fail()
  await t.rejects(blocklist.assertNotRevoked({ ...claims, jti: 'k' }), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
})

t.test('staleFor lets the replica answer that much longer, except where that is not allowed', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const { portcullis: { blocklist } } = await build(t, faulty.store, { maxStaleness: '500ms', staleFor: '1h' })
  const { record } = await store.open(signIn)
  const { sid, subject, epoch } = record
  await blocklist.revoke({ jti: 'j', issuer: 'i' })
  faulty.fail()
  await until(() => !blocklist.isFresh())

  await t.resolves(blocklist.assertNotRevoked({ sid, sub: subject, epoch }))
  await t.rejects(blocklist.assertNotRevoked({ jti: 'j', iss: 'i' }), { code: 'PTC_ERR_TOKEN_INVALID' })
  await t.rejects(blocklist.isGoodInStore({ issuer: null, jti: null, sid, subject, epoch }, false), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
})

t.test('a revocation that the store did not take is rejected and not pretended', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const { portcullis: { blocklist } } = await build(t, faulty.store)
  faulty.fail('close', 'revokeToken', 'revokeSubject', 'revokeAll')

  for (const request of [{ sid: 'AAAAAAAAAAAAAAAAAAAAAA' }, { jti: 'j' }, { subject: 'ada' }, { all: true }] as const) await t.rejects(blocklist.revoke(request), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
  t.equal(blocklist.size, 0)
  t.notOk(blocklist.isRevoked({ jti: 'j', sid: 'AAAAAAAAAAAAAAAAAAAAAA', sub: 'ada', epoch: 0 }))
})

/* A handler passes on `{ jti }` of a token that has none: it would answer "signed out" and nothing would be revoked, or everything. */
t.test('a revocation of nothing is an error, and revokes nothing', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const { portcullis: { blocklist } } = await build(t, faulty.store)
  for (const request of [{}, { jti: undefined }, { jti: '' }, { jti: 7 }, { sid: undefined }, { sid: null }, { subject: '' }, { subject: undefined }, { all: false }, { all: undefined }, { jti: 'j', expiresAt: 'soon' }, { jti: 'j', expiresAt: NaN }, { jti: 'j', all: true }, null, undefined, []]) {
    await t.rejects(blocklist.revoke(request as unknown as RevokeRequest), TypeError, JSON.stringify(request))
  }

  t.equal(blocklist.size, 0)
  for (const method of ['close', 'revokeToken', 'revokeSubject', 'revokeAll'] as const) t.equal(faulty.calls[method], undefined, method)
})

t.test('revoking twice is revoking once', async t => {
  const { store } = await createStore(t)
  const { portcullis: { blocklist } } = await build(t, store)
  await Promise.all(Array.from({ length: 50 }, async () => { await blocklist.revoke({ jti: 'j', issuer: 'i' }) }))

  t.ok(blocklist.isRevoked({ jti: 'j', iss: 'i' }))
  t.equal((await takeSnapshot(store)).revocations.length, 1)
})

t.test('closing a session tells which it was, and null the second time', async t => {
  const { store } = await createStore(t)
  const { portcullis: { blocklist } } = await build(t, store)
  const { record } = await store.open(signIn)

  t.match(await blocklist.close(record.sid), { sid: record.sid, subject: 'ada' })
  t.equal(await blocklist.close(record.sid), null)
})

t.test('subscribers hear every entry of the log, and of a gap', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store, { maxStaleness: '500ms' })
  const heard: Array<LogEntry | 'gap'> = []
  app.portcullis.blocklist.subscribe(entry => heard.push(entry))

  const { record } = await store.open(signIn)
  await store.renew(record.sid, { secretHash: 'new', acr: '1', amr: [] })
  await until(() => heard.some(entry => entry !== 'gap' && entry.kind === 'changed' && entry.sid === record.sid))

  let isLost = true
  const gapped = createServer(t)
  await gapped.register(storePlugin, { type: 'custom', store: new Proxy(store, { get: (target, name: keyof Store) => name === 'pull' ? async (position: string) => isLost ? { position, entries: [], gap: true } : await target.pull(position) : Reflect.get(target, name) as unknown }) })
  await gapped.register(blocklist, { maxStaleness: '100ms' })
  const gaps: Array<LogEntry | 'gap'> = []
  gapped.portcullis.blocklist.subscribe(entry => gaps.push(entry))
  await until(() => gaps.includes('gap'))
  isLost = false
})

t.test('a revocation that the store has lost stays in force while the process lives', async t => {
  const first = await createStore(t)
  const second = await createStore(t)
  let truth = first.store
  const failover = new Proxy(first.store, { get: (_target, name: keyof Store) => Reflect.get(truth, name) as unknown })
  const { portcullis: { blocklist } } = await build(t, failover, { maxStaleness: '500ms' })
  await blocklist.revoke({ jti: 'j', issuer: 'i' })
  await second.store.revokeToken({ issuer: 'i', jti: 'k', expiresAtMs: Date.now() + 60_000 })

  truth = second.store
  await second.store.revokeToken({ issuer: 'i', jti: 'l', expiresAtMs: Date.now() + 60_000 })
  await until(() => blocklist.isRevoked({ jti: 'l', iss: 'i' }))

  t.ok(blocklist.isRevoked({ jti: 'j', iss: 'i' }))
})

t.test('a snapshot of very many revocations is loaded in slices, between which others are served', async t => {
  const { store } = await createStore(t)
  const sids = Array.from({ length: 10_000 }, () => createSid('ada'))
  const revocations = sids.map(sid => ({ kind: 'sid' as const, sid, expiresAtMs: Date.now() + 60_000 }))
  const snapshot: Store['snapshot'] = async take => {
    const position = await store.snapshot(async () => {})
    await take(revocations)
    return position
  }
  const full = new Proxy(store, { get: (target, name: keyof Store) => name === 'snapshot' ? snapshot : Reflect.get(target, name) as unknown })
  const follower = new LogFollower(full, { maxStalenessMs: 2000, longestMs: 86_400_000 }, {})
  const sizes = new Set<number>()
  const started = follower.start()
  while (follower.replica.size < sids.length) {
    await new Promise(setImmediate)
    sizes.add(follower.replica.size)
  }
  await started
  follower.stop()

  t.ok(sizes.size > 5, `${sizes.size} sizes were seen on the way`)
  t.ok(sids.every(sid => follower.replica.isRevoked({ issuer: null, jti: null, sid, subject: null, epoch: null })))
})

t.test('no entry ends before a token that it concerns', async t => {
  const { store } = await createStore(t)
  const { portcullis: { blocklist } } = await build(t, store, { maxTokenAge: '10m' })
  const expiresAt = inAnHour()
  const startedAtMs = Date.now()
  await blocklist.revoke({ jti: 'j', issuer: 'i', expiresAt })
  await blocklist.revoke({ jti: 'k', issuer: 'i' })
  await blocklist.revoke({ sid: 'AAAAAAAAAAAAAAAAAAAAAA' })

  const ends = (await takeSnapshot(store)).revocations.map(({ expiresAtMs }) => expiresAtMs)
  t.equal(blocklist.maxTokenAgeMs, 605_000)
  t.ok(ends[0] === expiresAt * 1000 + 5000)
  for (const end of ends.slice(1)) t.ok(end >= startedAtMs + 605_000 && end <= Date.now() + 605_000)
})

t.test('the store is not followed any more after the end', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store, { maxStaleness: '100ms' })
  await app.close()
  const before = faulty.calls.pull

  await store.revokeToken({ issuer: 'i', jti: 'j', expiresAtMs: Date.now() + 60_000 })
  await new Promise(resolve => { setTimeout(resolve, 60) })
  t.equal(faulty.calls.pull, before)
})

t.test('the blocklist does not boot without the store it can read, nor with a plugin that is only called so', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  faulty.fail('snapshot')
  await t.rejects(build(t, faulty.store), { code: 'PTC_ERR_STORE_UNAVAILABLE' })

  const app = createServer(t)
  await app.register(fp(async () => {}, { name: 'store' }))
  await t.rejects(async () => { await app.register(blocklist) }, { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' })
})

t.test('wrong options are refused by name', async t => {
  const { store } = await createStore(t)
  for (const [options, message] of [
    [{ maxTokenAge: 'long' }, /^portcullis-blocklist: maxTokenAge must be a duration/],
    [{ maxStaleness: '99ms' }, 'portcullis-blocklist: maxStaleness must be from 100ms to 60s'],
    [{ maxStaleness: 0 }, 'portcullis-blocklist: maxStaleness must be from 100ms to 60s'],
    [{ maxStaleness: '61s' }, 'portcullis-blocklist: maxStaleness must be from 100ms to 60s'],
    [{ staleFor: -1 }, /^portcullis-blocklist: staleFor must be a duration/],
    [{ absoluteTimeout: null }, /^portcullis-blocklist: absoluteTimeout must be a duration/],
    [{ ttl: '1m' }, 'portcullis-blocklist: ttl is not an option']
  ] as const) {
    await t.rejects(build(t, store, options as unknown as BlocklistOptions), { code: 'PTC_ERR_CONFIG_INVALID', message }, JSON.stringify(options))
  }
})

for (const issuer of [undefined, 'https://app.example.com']) {
  t.test(`an author's own @fastify/jwt ${issuer === undefined ? 'without' : 'with'} an issuer refuses what was signed out here, on every server`, async t => {
    const { store } = await createStore(t)
    const apps = await Promise.all([1, 2].map(async () => {
      const app = await build(t, store)
      await app.register(jwt, { secret: 'an-own-secret-of-the-author', trusted: (_request, claims) => !app.portcullis.blocklist.isRevoked(claims) })
      app.get('/me', async request => await request.jwtVerify())
      app.post('/logout', async request => {
        const { jti, exp } = await request.jwtVerify<{ jti: string, exp: number }>()
        await app.portcullis.blocklist.revoke({ jti, expiresAt: exp })
      })
      return app
    }))
    const [here, there] = apps as [typeof apps[number], typeof apps[number]]
    const token = here.jwt.sign({ sub: 'ada' }, { jti: 'j', expiresIn: '10m', ...issuer === undefined ? {} : { iss: issuer } })
    const headers = { authorization: `Bearer ${token}` }
    t.equal((await there.inject({ url: '/me', headers })).statusCode, 200)

    t.equal((await here.inject({ method: 'POST', url: '/logout', headers })).statusCode, 200)

    t.equal((await here.inject({ url: '/me', headers })).statusCode, 401)
    await until(async () => (await there.inject({ url: '/me', headers })).statusCode === 401)
  })
}

t.test('a session of another origin that is ended by its own credential stays revoked for as long as any access token may live', async t => {
  const { store } = await createStore(t)
  const { portcullis: { blocklist } } = await build(t, store, { maxTokenAge: '1m' })
  const lastsSeconds = async (end: (sid: string) => Promise<unknown>) => {
    const { record: { sid } } = await store.open(signIn)
    const { position } = await store.pull('0-0')
    await end(sid)
    const entry = (await store.pull(position)).entries.find(entry => entry.kind === 'sid' && entry.sid === sid) as { expiresAtMs: number } | undefined
    return entry === undefined ? null : Math.round((entry.expiresAtMs - store.nowMs()) / 1000)
  }

  t.equal(await lastsSeconds(sid => blocklist.close(sid)), 65)
  t.equal(await lastsSeconds(sid => blocklist.close(sid, { ofAnyOrigin: true })), 905)
})
