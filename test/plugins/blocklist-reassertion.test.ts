import t, { type Test } from 'tap'
import blocklist from '../../plugins/blocklist.ts'
import { Reassertion } from '../../plugins/blocklist/reassertion.ts'
import storePlugin from '../../plugins/store.ts'
import { createRedisStore } from '../../stores/redis.ts'
import type { Revocation } from '../../lib/revocation/entries.ts'
import type { ProviderProof, ProviderSession } from '../../lib/session/provider-session.ts'
import type { OpenSession, RotateOptions, Store } from '../../stores/store.ts'
import { createServer, until } from '../helpers/build-app.ts'
import { connectAdmin, connectRedis, startRedis, type RedisServer } from '../helpers/redis-server.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

/*
 * An acknowledged sign-out is a sign-out while any gateway process lives, whatever the store forgets: a replica that was promoted
 * before it had got the last writes, or a server that came back with less than it had. "Lost" is made here by undoing, at the
 * server itself, exactly what such a loss undoes: the record is back, and the log ends before its entry.
 */

const tokens: OpenSession = { subject: 'ada', username: 'ada', mode: 'tokens', secretHash: null, acr: '1', amr: ['pwd'], scopes: [], audiences: [], client: { userAgent: '', ip: '' }, origin: null, absoluteTimeoutMs: 3_600_000, maxPerSubject: 20, maxTokenAgeMs: 900_000 }
const rotating: RotateOptions = { overlapMs: 10_000, retryWindowMs: 1_800_000, idleTimeoutMs: 1_800_000, maxTokenAgeMs: 900_000 }

async function createStore (t: Test, server: RedisServer): Promise<Store> {
  const store = await createRedisStore({ redis: connectRedis(t, server), timeoutMs: 5000 })
  t.teardown(() => store.end())
  return store
}

async function build (t: Test, store: Store) {
  const app = createServer(t)
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(blocklist, { maxStaleness: '200ms' })
  return app.portcullis.blocklist
}

/** Everything that the server has, put back as it was. */
async function remember (t: Test, server: RedisServer): Promise<() => Promise<void>> {
  const admin = await connectAdmin(t, server)
  const keys = await admin.keys('*')
  const dumps = await Promise.all(keys.map(async key => ({ key, dump: await admin.dumpBuffer(key), ttl: await admin.pexpiretime(key) })))
  return async () => {
    const undo = admin.multi().flushall()
    for (const { key, dump, ttl } of dumps) undo.restore(key, Math.max(0, ttl), dump!, 'ABSTTL')
    await undo.exec()
  }
}

t.test('a sign-out that a failover has lost is said again, and the session stays ended', async t => {
  const server = await startRedis(t)
  const store = await createStore(t, server)
  const here = await build(t, store)
  const { record } = await store.open(tokens)
  const lose = await remember(t, server)

  await here.revoke({ sid: record.sid })
  await lose()

  await until(async () => await store.read(record.sid) === null)
  t.match(await store.rotate(record.sid, 1, rotating), { outcome: 'unknown' })
  t.match((await takeSnapshot(store)).revocations, [{ kind: 'sid', sid: record.sid }])
})

t.test('what one process knew reaches a process that starts after the loss', async t => {
  const server = await startRedis(t)
  const store = await createStore(t, server)
  const here = await build(t, store)
  const { record: first } = await store.open(tokens)
  const { record: second } = await store.open({ ...tokens, subject: 'eve' })
  const lose = await remember(t, server)
  await here.revoke({ sid: first.sid })
  await here.revoke({ jti: 'j', issuer: 'i', expiresAt: Math.floor(Date.now() / 1000) + 600 })
  await here.revoke({ subject: 'eve' })

  await lose()

  const other = await createStore(t, server)
  await until(async () => (await takeSnapshot(other)).revocations.length === 3)
  const there = await build(t, other)
  t.ok(there.isRevoked({ sid: first.sid }))
  t.ok(there.isRevoked({ jti: 'j', iss: 'i' }))
  t.ok(there.isRevoked({ sub: 'eve', sid: second.sid, epoch: second.epoch }))
  t.same(await other.list('eve'), [])
})

t.test('revocations that were in the log of everybody are said again by one of many processes', async t => {
  const server = await startRedis(t)
  const stores = await Promise.all([1, 2, 3].map(async () => await createStore(t, server)))
  const [here, ...others] = await Promise.all(stores.map(async store => await build(t, store)))
  const opened = await Promise.all(Array.from({ length: 30 }, async (_, number) => (await stores[0]!.open({ ...tokens, subject: `s${number}` })).record))
  const lose = await remember(t, server)
  for (const { sid } of opened) await here!.revoke({ sid })
  await until(() => others.every(other => other.size === 30))

  await lose()

  await until(async () => (await takeSnapshot(stores[1]!)).revocations.length === 30)
  for (const { sid } of opened) t.equal(await stores[2]!.read(sid), null)
})

t.test('a store that has lost everything is told every revocation that is in force', async t => {
  const server = await startRedis(t)
  const store = await createStore(t, server)
  const here = await build(t, store)
  await here.revoke({ all: true })
  for (let number = 0; number < 1200; number++) here.note({ kind: 'jti', tokenKey: Buffer.from(String(number).padStart(16)).toString('base64url'), expiresAtMs: store.nowMs() + 600_000 })
  await until(async () => (await takeSnapshot(store)).revocations.length === 1201)

  const admin = await connectAdmin(t, server)
  await admin.flushall()

  await until(async () => (await takeSnapshot(store)).revocations.length === 1201)
  t.equal((await store.open(tokens)).record.epoch > 1000, true, 'and nobody begins below what was cut off')
})

t.test('nothing is said again while nothing is lost', async t => {
  const server = await startRedis(t)
  const store = await createStore(t, server)
  let said = 0
  const counting = new Proxy(store, { get: (target, name: keyof Store) => name === 'reassert' ? async () => { said++; return 'asserted' } : Reflect.get(target, name) as unknown })
  const [here, there] = [await build(t, counting), await build(t, await createStore(t, server))]
  const opened = await Promise.all(Array.from({ length: 50 }, async () => (await store.open({ ...tokens, maxPerSubject: 100 })).record))

  await Promise.all(opened.map(async ({ sid }) => await here.revoke({ sid })))
  await here.revoke({ subject: 'ada' })
  await until(() => there.size === 51)
  await until(async () => !(await store.pull((await takeSnapshot(store)).position)).gap)

  t.ok(said <= 2, 'but for an entry that came back before its answer')
})

t.test('ending what has ended already is no sign of a loss, however often it is done', async t => {
  const server = await startRedis(t)
  const store = await createStore(t, server)
  let said = 0
  const counting = new Proxy(store, { get: (target, name: keyof Store) => name === 'reassert' ? async () => { said++; return 'asserted' } : Reflect.get(target, name) as unknown })
  const [here, there] = [await build(t, counting), await build(t, await createStore(t, server))]
  const { record } = await store.open(tokens)
  await here.revoke({ sid: record.sid })
  await until(() => there.size === 1)
  said = 0

  for (let round = 0; round < 20; round++) {
    await here.revoke({ sid: record.sid })
    // Something else goes through the log, so that what was noted before would have been in it.
    const { record: { sid } } = await store.open({ ...tokens, subject: `s${round}` })
    await here.revoke({ sid })
    await until(() => there.size === round + 2)
  }

  t.equal(said, 0)
})

t.test('as many revocations as there are can be lost at once, and all of them are said again', async t => {
  const expiresAtMs = Date.now() + 600_000
  // More than fit into the arguments of one call.
  const lost = Array.from({ length: 150_000 }, (_, number): Revocation => ({ kind: 'sid', sid: String(number), expiresAtMs }))
  const said = new Set<Revocation>()
  let isBusy = true
  const reassertion = new Reassertion({
    async reassert (revocations) {
      if (isBusy) return 'busy'
      for (const revocation of revocations) said.add(revocation)
      return 'asserted'
    }
  }, async rest => {
    isBusy = false
    return rest
  })
  // The pause keeps no process alive.
  const alive = setInterval(() => {}, 1000)
  t.teardown(() => {
    clearInterval(alive)
    reassertion.stop()
  })

  await reassertion.add(lost)

  t.equal(said.size, lost.length)
})

const provider: ProviderSession = { name: 'corp', sub: 'ada', sid: 'sso-1', idToken: null, claims: {} }
const logout = { provider: 'corp', subject: null, sid: 'sso-1', jti: 'token', keepJtiForMs: 60_000 }

function signIn (beganAtMs: number): OpenSession & ProviderProof {
  return { ...tokens, subject: 'corp|ada', mode: 'session', secretHash: 'hash', provider, authTimeMs: beganAtMs, beganAtMs, countsFromMs: beganAtMs }
}

t.test('a logout at a provider that a failover has lost is said again, and ends what was opened and kept meanwhile', async t => {
  const server = await startRedis(t)
  const [store, otherStore] = [await createStore(t, server), await createStore(t, server)]
  const [here, elsewhere] = [await build(t, store), await build(t, otherStore)]
  const beganAtMs = store.nowMs()
  const { record: kept } = await store.openFromProvider(signIn(beganAtMs))
  const lose = await remember(t, server)
  t.match(await here.endProviderSessions(logout), { outcome: 'ended', sessions: 1 })
  await lose()

  // The other process may know nothing of the logout yet.
  const { record: opened } = await otherStore.openFromProvider(signIn(beganAtMs))

  for (const record of [kept, opened]) await until(async () => record === null || await store.read(record.sid) === null)
  if (opened !== null) await until(() => elsewhere.knowsAsRevoked({ issuer: null, jti: null, sid: opened.sid, subject: null, epoch: null }))
  t.match(await otherStore.openFromProvider(signIn(beganAtMs)), { outcome: 'logged-out' })
  t.strictSame(await store.list('corp|ada'), [])
})

t.test('a logout of a user that a failover has lost is said again, and refuses the sign-ins that began before', async t => {
  const server = await startRedis(t)
  const store = await createStore(t, server)
  const here = await build(t, store)
  const beganAtMs = store.nowMs()
  const { record } = await store.openFromProvider(signIn(beganAtMs))
  const lose = await remember(t, server)
  await here.endProviderSessions({ ...logout, sid: null, subject: 'corp|ada' })
  const cutMs = (await store.lastCutMs('corp|ada'))!
  await lose()

  await until(async () => await store.read(record!.sid) === null)
  t.ok((await store.lastCutMs('corp|ada'))! >= cutMs)
  t.match(await store.openFromProvider(signIn(beganAtMs)), { outcome: 'cut' })
})
