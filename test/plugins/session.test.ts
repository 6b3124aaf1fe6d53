import fp from 'fastify-plugin'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import blocklist from '../../plugins/blocklist.ts'
import cookies from '../../plugins/cookies.ts'
import session, { type SessionOptions } from '../../plugins/session.ts'
import storePlugin from '../../plugins/store.ts'
import { createSqliteStore } from '../../stores/sqlite.ts'
import type { Store } from '../../stores/store.ts'
import { cookieOf, createFaultyStore, createServer, createStore, openSession, origin, recordEvents, sessionCookieName, until } from '../helpers/build-app.ts'

/** The plugin with its dependencies alone; `/me` answers with the subject of the session cookie. */
async function build (t: Test, store: Store, options: SessionOptions = {}, at = origin): Promise<FastifyInstance> {
  const app = createServer(t)
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(blocklist)
  await app.register(cookies, { origin: at })
  await app.register(session, options)
  const { portcullis } = app
  app.post('/login', async (request, reply) => await reply.openSession({ subject: (request.query as { subject?: string }).subject ?? 'ada', audiences: ['orders'] }))
  app.get('/me', async request => await portcullis.session.resolve(portcullis.cookies.read(request, 'session') ?? '', true))
  app.get('/peek', async request => await portcullis.session.resolve(portcullis.cookies.read(request, 'session') ?? '', false))
  app.post('/renew', async (request, reply) => {
    const { sid } = await portcullis.session.resolve(portcullis.cookies.read(request, 'session') ?? '', true)
    const record = await portcullis.session.renew(reply, sid ?? '', { acr: '2', amr: ['otp'] })
    return { renewed: record !== null }
  })
  app.post('/renew/:sid', async (request, reply) => ({ renewed: await portcullis.session.renew(reply, (request.params as { sid: string }).sid, { acr: '2', amr: ['otp'] }) !== null }))
  return app
}

async function get (app: FastifyInstance, url: string, cookie: string): Promise<LightMyRequestResponse> {
  return await app.inject({ url, headers: { cookie } })
}

async function renew (app: FastifyInstance, cookie: string): Promise<string> {
  return cookieOf(await app.inject({ method: 'POST', url: '/renew', headers: { cookie } }), sessionCookieName) ?? ''
}

const minute = 60_000

t.test('signing in opens a session, and its cookie says who it is', async t => {
  const { store } = await createStore(t)
  const events = recordEvents(t)
  const app = await build(t, store)

  const response = await app.inject({ method: 'POST', url: '/login', headers: { 'user-agent': 'agent' } })
  const { session: view } = response.json<{ session: { sid: string } }>()
  const cookie = cookieOf(response, sessionCookieName) ?? ''

  t.match(view, { subject: 'ada', acr: '1', amr: ['pwd'], client: { user_agent: 'agent', ip: '127.0.0.1' } })
  t.match((await get(app, '/me', cookie)).json(), { subject: 'ada', sid: view.sid, credential: 'session', audiences: ['orders'] })
  t.match(events, [{ event: 'session.opened', sid: view.sid, subject: 'ada' }])
  const secret = cookie.split('.')[1] ?? ''
  t.notOk(response.body.includes(secret) || JSON.stringify(events).includes(secret) || JSON.stringify(await store.read(view.sid)).includes(secret))
})

t.test('a remembered session costs no question to the store', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const { cookie } = await openSession(app)

  await Promise.all(Array.from({ length: 200 }, async () => { t.equal((await get(app, '/me', cookie)).statusCode, 200) }))
  t.equal(faulty.calls.read, 1)

  faulty.fail()
  t.equal((await get(app, '/me', cookie)).statusCode, 200)
})

t.test('what has not the form of a session cookie is refused without asking the store', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const { cookie } = await openSession(app)
  faulty.fail()

  for (const bad of [`${cookie}A`, `${cookie}=`, cookie.slice(0, -1), `${sessionCookieName}=`, `${sessionCookieName}=.`, `${sessionCookieName}=${'A'.repeat(100_000)}`, `${sessionCookieName}="${cookie}"`, cookie.replace('.', '%2E')]) {
    t.match((await get(app, '/me', bad)).json(), { code: 'PTC_ERR_SESSION_INVALID', statusCode: 401 })
  }
  t.equal(faulty.calls.read, undefined)
})

t.test('a wrong secret and an unknown session are refused, and the right cookie stays good', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const { cookie, sid } = await openSession(app)
  const { cookie: other } = await openSession(app)
  const wrong = `${sessionCookieName}=${sid}.${other.split('.')[1] ?? ''}`

  for (const bad of [wrong, `${sessionCookieName}=${'A'.repeat(22)}.${'A'.repeat(43)}`]) {
    const response = await get(app, '/me', bad)
    t.match(response.json(), { code: 'PTC_ERR_SESSION_INVALID', statusCode: 401 })
    t.equal(response.headers['set-cookie'], undefined)
  }
  t.equal((await get(app, '/me', cookie)).statusCode, 200)
  t.equal((await get(app, '/me', wrong)).statusCode, 401)
})

t.test('guessing secrets of one session reads the store at a limited rate, and disturbs nobody', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const { cookie, sid } = await openSession(app)
  await get(app, '/me', cookie)

  const guesses = Array.from({ length: 200 }, async () => await get(app, '/me', `${sessionCookieName}=${sid}.${Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url')}`))
  t.equal((await get(app, '/me', cookie)).statusCode, 200)
  t.same(new Set((await Promise.all(guesses)).map(({ statusCode }) => statusCode)), new Set([401]))
  t.ok((faulty.calls.read ?? 0) <= 5, `${faulty.calls.read ?? 0} reads`)
})

t.test('the record of a tokens-mode sign-in has no session cookie', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const { record } = await store.open({ subject: 'ada', username: 'ada', mode: 'tokens', secretHash: null, acr: '1', amr: [], scopes: [], audiences: [], client: { userAgent: '', ip: '' }, origin: null, absoluteTimeoutMs: minute, maxPerSubject: 2, maxTokenAgeMs: minute })

  t.equal((await get(app, '/me', `${sessionCookieName}=${record.sid}.${'A'.repeat(43)}`)).statusCode, 401)
})

t.test('while the store is away an unknown session is an outage, and no cookie is touched', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const [app, other] = [await build(t, faulty.store), await build(t, store)]
  const { cookie } = await openSession(other)
  faulty.fail()

  for (const response of [await get(app, '/me', cookie), await app.inject({ method: 'POST', url: '/login' })]) {
    t.match(response.json(), { code: 'PTC_ERR_STORE_UNAVAILABLE', statusCode: 503 })
    t.equal(response.headers['set-cookie'], undefined)
  }
  faulty.recover()
  t.equal((await get(app, '/me', cookie)).statusCode, 200)
})

t.test('a renewed cookie is good everywhere at once, though the old one is remembered there', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-session-'))
  t.teardown(() => rm(folder, { recursive: true, force: true }))
  const path = join(folder, 'portcullis.db')
  const stores = [await createSqliteStore({ path }), await createSqliteStore({ path })] as const
  t.teardown(async () => { await Promise.all(stores.map(async store => { await store.end() })) })
  const [here, there] = [await build(t, stores[0]), await build(t, stores[1])]
  const { cookie } = await openSession(here)
  t.equal((await get(there, '/me', cookie)).statusCode, 200)

  const renewed = await renew(here, cookie)

  t.not(renewed, cookie)
  t.match((await get(there, '/me', renewed)).json(), { subject: 'ada', acr: '2', amr: ['pwd', 'otp'] })
  t.equal((await get(here, '/me', cookie)).statusCode, 401)
  await until(async () => (await get(there, '/me', cookie)).statusCode === 401)
  t.equal((await get(there, '/me', renewed)).statusCode, 200)
})

t.test('a record that is renewed while it is read is not remembered as it was', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const { cookie } = await openSession(app)
  const slow = createFaultyStore(store)
  const other = await build(t, new Proxy(slow.store, {
    get: (target, name: keyof Store) => name === 'read'
      ? async (sid: string) => {
        const record = await target.read(sid)
        if (slow.calls.read === 1) {
          await renew(app, cookie)
          await new Promise(resolve => { setImmediate(resolve) })
        }
        return record
      }
      : Reflect.get(target, name) as unknown
  }))

  const first = await get(other, '/me', cookie)
  t.equal(first.statusCode, 401)
  t.equal((await get(other, '/me', cookie)).statusCode, 401)
})

t.test('a session that is over cannot be renewed, and gets no cookie', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const { cookie, sid } = await openSession(app)
  await get(app, '/me', cookie)
  await store.close(sid, { maxTokenAgeMs: minute })

  const response = await app.inject({ method: 'POST', url: '/renew', headers: { cookie } })
  t.equal(response.headers['set-cookie'], undefined)
  t.not(response.json<{ renewed?: boolean }>().renewed, true)
})

t.test('a session of another origin, or an idle one, cannot be renewed, and keeps the cookie that it has', async t => {
  const { store, advance } = await createStore(t)
  const app = await build(t, store)
  const elsewhere = await build(t, store, {}, 'https://other.example.com')
  const foreign = await openSession(elsewhere)
  const own = await openSession(app)
  const attempt = async (sid: string) => await app.inject({ method: 'POST', url: `/renew/${sid}` })

  const refused = await attempt(foreign.sid)
  t.same(refused.json(), { renewed: false })
  t.equal(refused.headers['set-cookie'], undefined)
  t.match(await store.read(foreign.sid), { acr: '1', amr: ['pwd'] })
  t.equal((await get(elsewhere, '/me', foreign.cookie)).statusCode, 200)
  t.same((await attempt(own.sid)).json(), { renewed: true })
  advance(31 * minute)
  t.same((await attempt(own.sid)).json(), { renewed: false })
})

t.test('a renewal that replaces the cookie of another session ends that one', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const [held, renewed] = [await openSession(app), await openSession(app)]

  t.same((await app.inject({ method: 'POST', url: `/renew/${renewed.sid}`, headers: { cookie: held.cookie } })).json(), { renewed: true })
  t.equal(await store.read(held.sid), null)
  t.match(await store.read(renewed.sid), { sid: renewed.sid })
})

t.test('a closed cookie that is replayed is refused on every server', async t => {
  const { store } = await createStore(t)
  const apps = [await build(t, store), await build(t, store)] as const
  const { cookie, sid } = await openSession(apps[0])
  for (const app of apps) t.equal((await get(app, '/me', cookie)).statusCode, 200)

  await apps[0].portcullis.blocklist.close(sid)

  t.equal((await get(apps[0], '/me', cookie)).statusCode, 401)
  await until(async () => (await get(apps[1], '/me', cookie)).statusCode === 401)
  t.equal(await store.read(sid), null)
})

t.test('two hundred uses at once during a close never bring the session back', async t => {
  const { store, advance } = await createStore(t)
  const apps = [await build(t, store, { idleTimeout: '30m' }), await build(t, store, { idleTimeout: '30m' })] as const
  const { cookie, sid } = await openSession(apps[0])
  for (const app of apps) await get(app, '/me', cookie)
  advance(5 * minute)

  const uses = Array.from({ length: 200 }, async (_, i) => {
    if (i === 100) await apps[0].portcullis.blocklist.close(sid)
    return await get(apps[i % 2] ?? apps[0], '/me', cookie)
  })
  await Promise.all(uses)
  for (const app of apps) await app.portcullis.session.list('ada')

  t.equal(await store.read(sid), null)
  await until(async () => (await get(apps[1], '/me', cookie)).statusCode === 401)
  t.equal((await get(apps[0], '/me', cookie)).statusCode, 401)
})

t.test('a session ends at exactly its idle timeout, and each use moves that', async t => {
  const { store, advance } = await createStore(t)
  const app = await build(t, store, { idleTimeout: '30m' })
  const { cookie } = await openSession(app)

  for (let i = 0; i < 5; i++) {
    advance(29 * minute)
    t.equal((await get(app, '/me', cookie)).statusCode, 200)
  }
  advance(30 * minute)
  t.equal((await get(app, '/me', cookie)).statusCode, 401)
})

t.test('looking at a session without using it does not move its idle time', async t => {
  const { store, advance } = await createStore(t)
  const app = await build(t, store, { idleTimeout: '30m' })
  const { cookie } = await openSession(app)

  advance(29 * minute)
  t.equal((await get(app, '/peek', cookie)).statusCode, 200)
  advance(2 * minute)
  t.equal((await get(app, '/peek', cookie)).statusCode, 401)
})

t.test('a session ends at its absolute timeout, whatever its use', async t => {
  const { store, advance } = await createStore(t)
  const app = await build(t, store, { idleTimeout: '30m', absoluteTimeout: '2h' })
  const { cookie } = await openSession(app)
  for (let i = 0; i < 5; i++) {
    advance(20 * minute)
    t.equal((await get(app, '/me', cookie)).statusCode, 200)
  }
  await renew(app, cookie)

  advance(20 * minute)
  t.equal((await get(app, '/me', cookie)).statusCode, 401)
})

t.test('what one server has seen keeps the session alive on the other, before it is refused there', async t => {
  const { store, advance } = await createStore(t)
  const [here, there] = [await build(t, store, { idleTimeout: '30m' }), await build(t, store, { idleTimeout: '30m' })]
  const { cookie } = await openSession(here)
  await get(there, '/me', cookie)
  advance(20 * minute)
  await get(here, '/me', cookie)
  await here.portcullis.session.list('ada')

  advance(20 * minute)
  t.equal((await get(there, '/me', cookie)).statusCode, 200)
})

t.test('uses are written on a grid, together and off the request path, and the rest when the server ends', async t => {
  const { store, advance } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store, { idleTimeout: '30m' })
  const { cookie, sid } = await openSession(app)
  const openedAtMs = (await store.read(sid))?.lastUsedAtMs ?? 0

  for (let i = 0; i < 50; i++) {
    advance(1000)
    await get(app, '/me', cookie)
  }
  t.equal(faulty.calls.touch, undefined)
  advance(30_000)
  await get(app, '/me', cookie)
  t.equal((await store.read(sid))?.lastUsedAtMs, openedAtMs)

  await app.close()
  t.equal(faulty.calls.touch, 1)
  const usedAtMs = (await store.read(sid))?.lastUsedAtMs ?? 0
  t.ok(usedAtMs - openedAtMs >= 60_000 && usedAtMs - openedAtMs < 90_000)
})

t.test('a use that could not be written is written later', async t => {
  const { store, advance } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store, { idleTimeout: '30m' })
  const { cookie, sid } = await openSession(app)
  await get(app, '/me', cookie)
  advance(20 * minute)
  await get(app, '/me', cookie)

  faulty.fail('touch')
  await app.portcullis.session.list('ada')
  faulty.recover()
  advance(20 * minute)
  t.match(await app.portcullis.session.read(sid), { sid })
  t.match(await app.portcullis.session.list('ada'), [{ sid }])
})

t.test('an outage signs nobody out: idleness is judged by the uses that were seen', async t => {
  const { store, advance } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store, { idleTimeout: '30m' })
  const { cookie } = await openSession(app)
  await get(app, '/me', cookie)

  faulty.fail()
  for (let i = 0; i < 3; i++) {
    advance(20 * minute)
    t.equal((await get(app, '/me', cookie)).statusCode, 200)
  }
  advance(31 * minute)
  t.equal((await get(app, '/me', cookie)).statusCode, 503)
  faulty.recover()
  t.equal((await get(app, '/me', cookie)).statusCode, 401)
})

t.test('whoever used a session all through a long outage is signed in everywhere after it', async t => {
  const { store, advance } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store, { idleTimeout: '30m' })
  const other = await build(t, store, { idleTimeout: '30m' })
  const { cookie, sid } = await openSession(app)
  await get(app, '/me', cookie)

  faulty.fail()
  for (let i = 0; i < 9; i++) {
    advance(20 * minute)
    t.equal((await get(app, '/me', cookie)).statusCode, 200)
    // In between what is noted cannot be written.
    if (i % 2 === 0) await app.portcullis.session.read(sid).catch(() => {})
  }
  faulty.recover()

  t.match(await app.portcullis.session.list('ada'), [{ sid }])
  t.equal((await get(other, '/me', cookie)).statusCode, 200)
})

t.test('what is noted of a session that is used all the time is little', async t => {
  const { store, advance } = await createStore(t)
  const written: number[] = []
  const counting: Store = {
    ...store,
    async touch (uses, options) {
      written.push(uses.length)
      await store.touch(uses, options)
    }
  }
  const app = await build(t, counting, { idleTimeout: '30m' })
  const { cookie, sid } = await openSession(app)
  for (let i = 0; i < 100; i++) {
    advance(2 * minute)
    await get(app, '/me', cookie)
  }

  t.match(await app.portcullis.session.read(sid), { sid })
  t.ok(written[0]! <= 15, 'two in an idle timeout at most')
})

t.test('at the limit the oldest session of the subject is closed, and refused at once', async t => {
  const { store, advance } = await createStore(t)
  const app = await build(t, store, { maxPerSubject: 2 })
  const opened: string[] = []
  for (let i = 0; i < 3; i++) {
    opened.push((await openSession(app)).cookie)
    await get(app, '/me', opened[i] ?? '')
    advance(1)
  }
  const { cookie: eve } = await openSession(app, 'eve')

  t.same(await Promise.all([...opened, eve].map(async cookie => (await get(app, '/me', cookie)).statusCode)), [401, 200, 200, 200])
  t.equal((await app.portcullis.session.list('ada')).length, 2)
})

t.test('idle sessions are neither listed nor read, but their cookie can still be signed out', async t => {
  const { store, advance } = await createStore(t)
  const app = await build(t, store, { idleTimeout: '30m' })
  const { cookie, sid } = await openSession(app)
  advance(31 * minute)
  const { sid: live } = await openSession(app)

  t.match(await app.portcullis.session.list('ada'), [{ sid: live }])
  t.equal((await app.portcullis.session.list('ada')).length, 1)
  t.equal(await app.portcullis.session.read(sid), null)
  const value = cookie.slice(cookie.indexOf('=') + 1)
  t.match(await app.portcullis.session.find(value), { sid })
  t.equal(await app.portcullis.session.find(`${value.slice(0, -1)}${value.endsWith('A') ? 'E' : 'A'}`), null)
  t.equal(await app.portcullis.session.find('nothing'), null)
})

t.test('a sign-in of nobody opens no session', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  app.post('/nobody', async (_request, reply) => await reply.openSession({ subject: null as unknown as string }))

  const response = await app.inject({ method: 'POST', url: '/nobody' })
  t.match(response.json(), { code: 'PTC_ERR_LOGIN_REFUSED' })
  t.equal(response.headers['set-cookie'], undefined)
  t.equal(faulty.calls.open, undefined)
})

t.test('the plugin does not boot without each of its dependencies, nor with plugins that are only called so', async t => {
  const { store } = await createStore(t)
  for (const missing of ['blocklist', 'cookies']) {
    const app = createServer(t)
    for (const name of ['store', 'cookies', 'blocklist', 'session']) await app.register(fp(async () => {}, { name }))
    await app.register(storePlugin, { type: 'custom', store })
    if (missing !== 'blocklist') await app.register(blocklist)
    if (missing !== 'cookies') await app.register(cookies, { origin })
    await t.rejects(async () => { await app.register(session) }, { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' }, missing)
  }
})

t.test('a plugin of somebody else that is called session may be there as well', async t => {
  const { store } = await createStore(t)
  const app = createServer(t)
  await app.register(fp(async fastify => { fastify.decorateRequest('session' as string, 'theirs') }, { name: 'session' }))
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(blocklist)
  await app.register(cookies, { origin })
  await app.register(session)
  app.get('/', async request => ({ session: request.getDecorator<string>('session') }))

  t.same((await app.inject('/')).json(), { session: 'theirs' })
})

t.test('wrong options are refused by name', async t => {
  const { store } = await createStore(t)
  for (const [options, message] of [
    [{ idleTimeout: 0 }, 'portcullis-session: idleTimeout must be above 0 and at most absoluteTimeout'],
    [{ idleTimeout: '25h' }, 'portcullis-session: idleTimeout must be above 0 and at most absoluteTimeout'],
    [{ idleTimeout: 'long' }, /^portcullis-session: idleTimeout must be a duration/],
    [{ absoluteTimeout: '1w' }, /^portcullis-session: absoluteTimeout must be a duration/],
    [{ maxPerSubject: 0 }, /^portcullis-session: maxPerSubject /],
    [{ maxPerSubject: 1001 }, /^portcullis-session: maxPerSubject /],
    [{ maxPerSubject: 1.5 }, /^portcullis-session: maxPerSubject /],
    [{ cacheSize: 0 }, /^portcullis-session: cacheSize /],
    [{ idletimeout: '5m' }, 'portcullis-session: idletimeout is not an option']
  ] as const) {
    await t.rejects(build(t, store, options as unknown as SessionOptions), { code: 'PTC_ERR_CONFIG_INVALID', message }, JSON.stringify(options))
  }
})
