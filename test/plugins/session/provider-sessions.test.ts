import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import { providerSidKeyOf } from '../../../lib/revocation/provider-keys.ts'
import type { ProviderProof, ProviderSession } from '../../../lib/session/provider-session.ts'
import blocklist from '../../../plugins/blocklist.ts'
import cookies from '../../../plugins/cookies.ts'
import errors from '../../../plugins/errors.ts'
import session from '../../../plugins/session.ts'
import storePlugin from '../../../plugins/store.ts'
import type { Store } from '../../../stores/store.ts'
import { sharedStores } from '../../helpers/stores.ts'
import { cookieOf, createFaultyStore, createServer, createStore, origin, recordEvents, sessionCookieName, until } from '../../helpers/build-app.ts'

interface Told extends Partial<Omit<ProviderProof, 'provider'>> { subject?: string, provider?: Partial<ProviderSession>, endsAtMs?: number | null, acr?: string }

function proofOf (store: Store, { provider, authTimeMs = store.nowMs(), beganAtMs = store.nowMs(), countsFromMs = beganAtMs }: Told): ProviderProof {
  return { provider: { name: 'corp', sub: 'ada', sid: 'sso-1', idToken: null, claims: { groups: ['admins'] }, ...provider }, authTimeMs, beganAtMs, countsFromMs }
}

/** A server that opens and renews what the body tells, as the callback of a sign-in does. */
async function build (t: Test, store: Store): Promise<FastifyInstance> {
  const app = createServer(t)
  await app.register(errors, { origin, shape: 'all', notFound: true })
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(blocklist)
  await app.register(cookies, { origin })
  await app.register(session)
  const { portcullis } = app
  app.post('/callback', async (request, reply) => {
    const told = request.body as Told
    const proof = proofOf(store, told)
    const { subject = `corp|${proof.provider.sub}`, acr = '', endsAtMs = null } = told
    return await portcullis.session.openFromProvider(reply, { subject, username: 'ada@example.com', acr, amr: ['mfa'] }, proof, { endsAtMs })
  })
  app.post('/step-up', async (request, reply) => {
    const { sid } = await portcullis.session.resolve(portcullis.cookies.read(request, 'session') ?? '', true)
    const told = request.body as Told
    const { outcome } = await portcullis.session.renewFromProvider(reply, sid!, { acr: told.acr ?? 'gold', amr: ['otp'] }, proofOf(store, told))
    return { outcome }
  })
  app.get('/me', async request => {
    const identity = await portcullis.session.resolve(portcullis.cookies.read(request, 'session') ?? '', true)
    await portcullis.blocklist.assertNotRevoked(identity)
    return identity
  })
  await app.ready()
  return app
}

async function post (app: FastifyInstance, url: string, told: Told = {}, cookie = ''): Promise<LightMyRequestResponse> {
  return await app.inject({ method: 'POST', url, payload: told, headers: { cookie } })
}

async function signIn (app: FastifyInstance, told: Told = {}): Promise<{ cookie: string, sid: string }> {
  const response = await post(app, '/callback', told)
  return { cookie: cookieOf(response, sessionCookieName) ?? '', sid: response.json<{ session: { sid: string } }>().session.sid }
}

async function statusOf (app: FastifyInstance, cookie: string): Promise<number> {
  return (await app.inject({ url: '/me', headers: { cookie } })).statusCode
}

const logout = { provider: 'corp', subject: null, sid: 'sso-1', jti: 'token', keepJtiForMs: 60_000 }

t.test('a sign-in at a provider opens a session, whose identity has the provider and the claims', async t => {
  const { store } = await createStore(t)
  const events = recordEvents(t)
  const app = await build(t, store)

  const { cookie, sid } = await signIn(app, { authTimeMs: store.nowMs() - 5000 })

  const identity = (await app.inject({ url: '/me', headers: { cookie } })).json<Record<string, unknown>>()
  t.match(identity, { subject: 'corp|ada', sid, acr: '', amr: ['mfa'], provider: { name: 'corp', claims: { groups: ['admins'] } } })
  t.match(events, [{ event: 'session.opened', sid, subject: 'corp|ada', provider: 'corp', outcome: 'session' }])
  const record = await store.read(sid)
  t.match(record, { username: 'ada@example.com', origin, provider: { sid: 'sso-1', sub: 'ada' } })
  t.ok(record!.authTimeMs < record!.createdAtMs)
})

t.test('a session ends when its provider says, and not later than every other one', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const day = 86_400_000

  for (const [endsInMs, lastsMs] of [[3_600_000, 3_600_000], [10 * day, day], [null, day]] as const) {
    const { sid } = await signIn(app, { endsAtMs: endsInMs === null ? null : store.nowMs() + endsInMs })
    const { createdAtMs, expiresAtMs } = (await store.read(sid))!
    t.ok(Math.abs(expiresAtMs - createdAtMs - lastsMs) < 60_000, `${endsInMs}`)
  }
})

t.test('a sign-in whose end has passed, or is no number, opens nothing', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const response = await post(app, '/callback', { endsAtMs: store.nowMs() - 1 })
  t.equal(response.json<{ code: string }>().code, 'PTC_ERR_LOGIN_INVALID')
  t.equal(response.statusCode, 400)
  t.strictSame(response.cookies, [])
  t.equal((await post(app, '/callback', { endsAtMs: 'soon' as never })).statusCode, 400)
  t.strictSame(await store.list('corp|ada'), [])
})

t.test('what a record could not keep, or a logout not find, opens nothing', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const wrong: Told[] = [
    { subject: 'ada' }, { subject: 'other|ada' },
    { provider: { claims: { text: 'x'.repeat(5000) } } },
    { provider: { sid: 'x'.repeat(20_000) } },
    { provider: { sid: 5 as never } },
    { provider: { idToken: 'x'.repeat(20_000) } },
    { authTimeMs: -1 }, { beganAtMs: 'now' as never }, { countsFromMs: -5 }
  ]
  for (const told of wrong) t.equal((await post(app, '/callback', told)).statusCode, 500, JSON.stringify(told).slice(0, 60))
  for (const subject of ['corp|ada', 'ada', 'other|ada']) t.strictSame(await store.list(subject), [])
})

t.test('a sign-in that a cut or a logout refuses sets no cookie, and ends no session of the browser', async t => {
  const { store, advance } = await createStore(t)
  const app = await build(t, store)
  const { cookie } = await signIn(app, { provider: { sub: 'bob' } })
  const beganAtMs = store.nowMs()
  advance(1000)
  await app.portcullis.blocklist.revoke({ subject: 'corp|ada' })
  await app.portcullis.blocklist.endProviderSessions({ ...logout, sid: 'sso-2' })

  for (const [told, outcome] of [[{ beganAtMs }, 'cut'], [{ provider: { sid: 'sso-2', sub: 'carol' } }, 'logged-out']] as const) {
    const response = await post(app, '/callback', told, cookie)
    t.strictSame(response.json(), { outcome })
    t.strictSame(response.cookies, [])
  }
  t.equal(await statusOf(app, cookie), 200)
  t.strictSame([await store.list('corp|ada'), await store.list('corp|carol')], [[], []])
  t.ok(await app.portcullis.session.lastCutMs('corp|ada') !== null)
  t.equal(await app.portcullis.session.lastCutMs('corp|carol'), null)
})

t.test('a logout that only this process knows refuses the sign-in and the step-up, too', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const { cookie, sid } = await signIn(app)
  // A failover has forgotten the logout, and it is not asserted yet.
  app.portcullis.blocklist.note({ kind: 'jti', tokenKey: providerSidKeyOf('corp', 'sso-2'), expiresAtMs: store.nowMs() + 60_000 })

  t.strictSame((await post(app, '/callback', { provider: { sid: 'sso-2', sub: 'bob' } })).json(), { outcome: 'logged-out' })
  t.strictSame(await store.list('corp|bob'), [])
  const response = await post(app, '/step-up', { provider: { sid: 'sso-2' } }, cookie)
  t.strictSame(response.json(), { outcome: 'logged-out' })
  t.strictSame(response.cookies, [])
  t.equal(await store.read(sid), null)
  t.equal(await statusOf(app, cookie), 401)
})

t.test('a sign-in replaces the session that the browser had', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const { cookie, sid } = await signIn(app)
  const response = await post(app, '/callback', { provider: { sub: 'bob' } }, cookie)
  t.match(response.json(), { outcome: 'opened', session: { subject: 'corp|bob' } })
  t.equal(await store.read(sid), null)
  t.equal(await statusOf(app, cookie), 401)
})

t.test('a step-up at the provider replaces the secret, the strength and the claims', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const { cookie, sid } = await signIn(app, { acr: 'silver', authTimeMs: 1000 })

  const response = await post(app, '/step-up', { provider: { sid: 'sso-2', claims: { groups: [] } } }, cookie)

  t.strictSame(response.json(), { outcome: 'renewed' })
  const next = cookieOf(response, sessionCookieName)!
  t.match((await app.inject({ url: '/me', headers: { cookie: next } })).json(), { sid, acr: 'gold', amr: ['mfa', 'otp'], provider: { name: 'corp', claims: { groups: [] } } })
  t.equal(await statusOf(app, cookie), 401)
  t.match(await app.portcullis.blocklist.endProviderSessions(logout), { sessions: 1 })
  t.equal(await statusOf(app, next), 401)
})

t.test('a step-up of another user, or after the end of the session, changes nothing', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const { cookie, sid } = await signIn(app)
  const before = await store.read(sid)
  for (const provider of [{ sub: 'bob' }, { name: 'other' }]) {
    const response = await post(app, '/step-up', { provider }, cookie)
    t.strictSame(response.json(), { outcome: 'gone' })
    t.strictSame(response.cookies, [])
  }
  t.strictSame(await store.read(sid), before)
  t.equal(await statusOf(app, cookie), 200)
})

t.test('a step-up whose session at the provider has ended ends the session at once', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const { cookie } = await signIn(app)
  await app.portcullis.blocklist.endProviderSessions({ ...logout, sid: 'sso-2' })
  t.equal(await statusOf(app, cookie), 200)
  t.strictSame((await post(app, '/step-up', { provider: { sid: 'sso-2' } }, cookie)).json(), { outcome: 'logged-out' })
  t.equal(await statusOf(app, cookie), 401)
})

for (const [name, open] of sharedStores) {
  t.test(`${name}: a logout at the provider is in force here at once, and soon in every process`, async t => {
    const [store, otherStore] = await open(t)
    const [app, other] = [await build(t, store), await build(t, otherStore)]
    const events = recordEvents(t)
    const [{ cookie, sid }, kept] = [await signIn(app), await signIn(other, { provider: { sid: 'sso-2' } })]
    for (const gateway of [app, other]) for (const known of [cookie, kept.cookie]) t.equal(await statusOf(gateway, known), 200)
    events.length = 0

    t.strictSame(await app.portcullis.blocklist.endProviderSessions(logout, { ip: '192.0.2.1' }), { outcome: 'ended', sessions: 1 })

    t.equal(await statusOf(app, cookie), 401)
    await until(async () => await statusOf(other, cookie) === 401)
    for (const gateway of [app, other]) t.equal(await statusOf(gateway, kept.cookie), 200)
    t.strictSame(events, [{ event: 'provider.logout', provider: 'corp', outcome: 'ended', sessions: 1, sid, ip: '192.0.2.1' }])
  })

  t.test(`${name}: a logout of a user ends the sessions here at once, and counts once`, async t => {
    const [store, otherStore] = await open(t)
    const [app, other] = [await build(t, store), await build(t, otherStore)]
    const events = recordEvents(t)
    const cookies = [(await signIn(app)).cookie, (await signIn(other)).cookie]
    events.length = 0
    const ofUser = { ...logout, sid: null, subject: 'corp|ada' }

    t.strictSame(await app.portcullis.blocklist.endProviderSessions(ofUser), { outcome: 'ended', sessions: 2 })
    for (const cookie of cookies) t.equal(await statusOf(app, cookie), 401)
    await new Promise(resolve => setTimeout(resolve, 2))
    const { cookie } = await signIn(app)
    t.strictSame(await other.portcullis.blocklist.endProviderSessions(ofUser), { outcome: 'repeated', sessions: 0 })
    for (const known of cookies) t.equal(await statusOf(other, known), 401)
    t.equal(await statusOf(other, cookie), 200)
    t.match(events.filter(({ event }) => event === 'provider.logout'), [{ outcome: 'ended', sessions: 2, subject: 'corp|ada' }, { outcome: 'repeated', sessions: 0, subject: 'corp|ada' }])
  })
}

t.test('a logout whose answer was lost is unknown, and in force here as soon as its repetition is answered', async t => {
  for (const ended of [logout, { ...logout, sid: null, subject: 'corp|ada' }]) {
    const { store } = await createStore(t)
    const faulty = createFaultyStore(store)
    const app = await build(t, faulty.store)
    const { cookie } = await signIn(app)
    t.equal(await statusOf(app, cookie), 200)
    faulty.fail()
    await t.rejects(app.portcullis.blocklist.endProviderSessions(ended), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
    // The first delivery has reached the store, though.
    await store.endProviderSessions({ ...ended, keepSidForMs: 900_000, keepForMs: 900_000, maxTokenAgeMs: 900_000 })
    faulty.fail('pull', 'snapshot')
    await t.rejects(app.portcullis.blocklist.endProviderSessions(ended), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
    faulty.recover()
    t.match(await app.portcullis.blocklist.endProviderSessions(ended), { sessions: 0 })
    t.equal(await statusOf(app, cookie), 401)
  }
})

t.test('a session whose logout cannot be looked for sets no cookie', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  faulty.fail('openFromProvider')
  const response = await post(app, '/callback')
  t.equal(response.statusCode, 503)
  t.strictSame(response.cookies, [])
})
