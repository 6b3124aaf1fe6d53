import type { FastifyInstance } from 'fastify'
import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import type { Identity } from '../../lib/identity.ts'
import type { SessionData } from '../../lib/own-data.ts'
import type { Store } from '../../stores/store.ts'
import authRoutes from '../../routes/auth.ts'
import { buildApp, cookieOf, createFaultyStore, createStore, decode, openFamily, openSession, origin, refreshCookieName, sessionCookieName, until, type AppOptions } from '../helpers/build-app.ts'
import { learnSecret } from '../helpers/secrets.ts'
import { sharedStores } from '../helpers/stores.ts'

/** Any object as the data of a session. */
const of = (data: unknown): SessionData => data as SessionData

interface App extends FastifyInstance { seen: Identity[] }

/** Builds a server whose routes keep the identity of each request. The data of a sign-in is in its body. */
async function build (t: Test, store: Store, options: AppOptions = {}, at = origin): Promise<App> {
  const seen: Identity[] = []
  const app = await buildApp(t, store, { ...options, cookies: { origin: at, ...options.cookies } }, app => {
    const { portcullis } = app
    for (const [url, consistency] of [['/me', 'replica'], ['/strict', 'strict']] as const) {
      app.get(url, { onRequest: portcullis.authenticate({ audience: 'orders', consistency }) }, async ({ identity }) => {
        seen.push(identity)
        return { subject: identity.subject }
      })
    }
    app.post('/in', async (request, reply) => await reply.openSession({ subject: 'ada', audiences: ['orders'], data: of(request.body) }))
    app.post('/in-tokens', async (request, reply) => await reply.openFamily({ subject: 'ada', audiences: ['orders'], data: of(request.body) }))
    app.post('/renew', async (request, reply) => {
      const { sid } = await portcullis.session.resolve(portcullis.cookies.read(request, 'session') ?? '', true)
      return { renewed: await portcullis.session.renew(reply, sid ?? '', { acr: '2', amr: ['otp'] }) !== null }
    })
    app.post('/fresh', async (_request, reply) => await reply.rotateFamily({ fresh: { acr: '2', amr: ['otp'] } }))
  })
  return Object.assign(app, { seen })
}

async function signIn (app: App, data: object, url = '/in'): Promise<{ cookie: string, sid: string, token: string }> {
  const response = await app.inject({ method: 'POST', url, payload: data })
  const { session, access_token: token = '' } = response.json<{ session: { sid: string }, access_token?: string }>()
  return { cookie: cookieOf(response, url === '/in' ? sessionCookieName : refreshCookieName) ?? '', sid: session.sid, token }
}

/** Returns the identity of a request. */
async function identityOf (app: App, headers: Record<string, string>, url = '/me'): Promise<Identity> {
  const { statusCode } = await app.inject({ url, headers })
  if (statusCode !== 200) throw new Error(`the request was answered ${statusCode}`)
  return app.seen.at(-1)!
}

const isDeeplyFrozen = (value: unknown): boolean => typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(isDeeplyFrozen))
const data = { cart: ['book', { pen: 1 }], theme: null }

t.test('the identity of a session cookie has the data of the session, frozen, and no answer shows it', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const { cookie, sid } = await signIn(app, data)

  const identity = await identityOf(app, { cookie })
  t.same(identity.data, data)
  t.ok(isDeeplyFrozen(identity.data))
  t.equal(identity.claims, null)
  t.equal(await identityOf(app, { cookie }), identity, 'the identity stays the same')
  t.notOk(JSON.stringify(app.portcullis.session.view((await store.read(sid))!)).includes('cart'))
  t.same((await identityOf(app, { cookie: (await openSession(app)).cookie })).data, {}, 'without data')
})

t.test('the identity of an access token has no data, and the session can be read for it', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const { sid, token } = await signIn(app, data, '/in-tokens')

  t.equal((await identityOf(app, { authorization: `Bearer ${token}` })).data, null)
  t.same((await app.portcullis.session.read(sid))?.data, data)
  t.notOk(JSON.stringify(decode(token).claims).includes('cart'))
})

t.test('the check of passwords of authRoutes sets the data of the session that it opens', async t => {
  const { store } = await createStore(t)
  const app = await buildApp(t, store, {}, async app => {
    await app.register(authRoutes, { prefix: '/auth', origin, audiences: ['orders'], identity: { verify: async ({ username }) => ({ subject: username, scopes: [], data: of(data) }) } })
  })
  for (const mode of ['session', 'tokens']) {
    const { session: { sid } } = (await app.inject({ method: 'POST', url: '/auth/login', payload: { username: 'ada', password: 'open-the-gate', mode } })).json<{ session: { sid: string } }>()
    t.same((await app.portcullis.session.read(sid))?.data, data)
  }
})

t.test('a refresh, a step-up in either mode, a repetition and use keep the data, and reuse ends it with the session', async t => {
  const { store, advance } = await createStore(t)
  const app = await build(t, store)
  const [session, family] = [await signIn(app, data), await signIn(app, data, '/in-tokens')]

  const renewed = await app.inject({ method: 'POST', url: '/renew', headers: { cookie: session.cookie } })
  t.same((await identityOf(app, { cookie: cookieOf(renewed, sessionCookieName)! })).data, data)
  let { cookie } = family
  for (const url of ['/refresh', '/fresh', '/refresh']) {
    const response = await app.inject({ method: 'POST', url, headers: { cookie } })
    t.equal((await app.inject({ method: 'POST', url, headers: { cookie } })).statusCode, 200, 'repeated')
    cookie = cookieOf(response, refreshCookieName)!
    advance(11_000)
    t.same((await app.portcullis.session.read(family.sid))?.data, data)
  }
  advance(60_000)
  t.equal((await app.inject({ method: 'POST', url: '/refresh', headers: { cookie: family.cookie } })).statusCode, 401)
  t.equal(await store.read(family.sid), null)
  t.equal(await app.portcullis.session.update(family.sid, of({ back: true })), null)
  t.equal(await store.read(family.sid), null)
})

t.test('new data is in the identities of later requests, whole, and an identity that was there stays as it was', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const { cookie, sid } = await signIn(app, data)
  const before = await identityOf(app, { cookie })
  const minted = app.portcullis.mint(before, 'orders')

  const record = await app.portcullis.session.update(sid, of({ cart: [] }))

  t.same(record, { ...await store.read(sid), data: { cart: [] } })
  const after = await identityOf(app, { cookie })
  t.same(after.data, { cart: [] })
  t.same(before.data, data)
  t.same({ ...after, data: null }, { ...before, data: null }, 'the credential is the same')
  t.not(app.portcullis.mint(after, 'orders'), minted)
  await app.portcullis.session.update(sid, of({}))
  t.same((await identityOf(app, { cookie })).data, {})
})

t.test('the data of a session in tokens mode is replaced too', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const { cookie, sid, token } = await signIn(app, data, '/in-tokens')

  t.same((await app.portcullis.session.update(sid, of({ cart: [] })))?.data, { cart: [] })

  t.same((await app.portcullis.session.read(sid))?.data, { cart: [] })
  t.equal((await app.inject({ url: '/me', headers: { authorization: `Bearer ${token}` } })).statusCode, 200)
  t.equal((await app.inject({ method: 'POST', url: '/refresh', headers: { cookie } })).statusCode, 200)
})

t.test('new data is a copy, is no use of the session, and is not given to a session that is closed, idle, unknown or of another origin', async t => {
  const { store, advance } = await createStore(t)
  const app = await build(t, store)
  const elsewhere = await build(t, store, {}, 'https://other.example.com')
  const { update } = app.portcullis.session
  const [living, closed, foreign] = [await signIn(app, data), await signIn(app, data), await signIn(elsewhere, data)]
  await app.portcullis.blocklist.revoke({ sid: closed.sid })
  const before = await store.read(foreign.sid)

  const given = { cart: ['a'] }
  const updating = update(living.sid, of(given))
  given.cart.push('b')
  t.same((await updating)?.data, { cart: ['a'] })
  for (const sid of [closed.sid, foreign.sid, 'AAAAAAAAAAAAAAAAAAAAAA', '', '__proto__', '../x', '*']) t.equal(await update(sid, of({ taken: true })), null, sid)
  t.same(await store.read(foreign.sid), before)
  t.equal(await store.read(closed.sid), null)

  advance(20 * 60_000)
  await update(living.sid, of({ later: true }))
  advance(11 * 60_000)
  t.equal(await update(living.sid, of({ tooLate: true })), null)
  t.same((await store.read(living.sid))?.data, { later: true })
})

t.test('data that cannot be kept opens no session, ends none, and replaces nothing', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const { cookie, sid } = await signIn(app, data)

  for (const wrong of [['list'], { text: 'x'.repeat(4096) }]) {
    for (const url of ['/in', '/in-tokens']) {
      const response = await app.inject({ method: 'POST', url, payload: wrong, headers: { cookie } })
      t.equal(response.statusCode, 500)
      t.equal(response.headers['set-cookie'], undefined)
    }
  }
  for (const wrong of [null, undefined, [], 'text', { at: new Date() }, { get a () { return 1 } }, { a: undefined }, { text: 'x'.repeat(4096) }]) {
    await t.rejects(app.portcullis.session.update(sid, of(wrong)), { name: 'TypeError', message: /of data|^data/ })
  }
  t.equal((await store.list('ada')).length, 1)
  t.same((await identityOf(app, { cookie })).data, data)
})

t.test('while the store is unavailable, new data is refused, cached data is shown, and a write whose outcome was unknown shows later', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const { cookie, sid } = await signIn(app, data)
  await identityOf(app, { cookie })

  faulty.fail()
  await t.rejects(app.portcullis.session.update(sid, of({ lost: true })), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
  faulty.fail('replaceData')
  await t.rejects(app.portcullis.session.update(sid, of({ lost: true })), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
  t.same((await identityOf(app, { cookie })).data, data)

  faulty.before('replaceData', async () => { await store.replaceData(sid, of({ written: true })) })
  await t.rejects(app.portcullis.session.update(sid, of({ written: true })), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
  await until(async () => (await identityOf(app, { cookie })).data !== null && 'written' in (app.seen.at(-1)!.data as object))
  faulty.recover()
  t.same((await app.portcullis.session.update(sid, of({ again: true })))?.data, { again: true })
})

t.test('a request whose read was under way when the data changed has the new data, and so has what is cached', async t => {
  const { store } = await createStore(t)
  let during: (() => Promise<unknown>) | null = null
  const slow = new Proxy(store, {
    get: (target, name) => name === 'read'
      ? async (sid: string) => {
        const record = await store.read(sid)
        const work = during
        during = null
        await work?.()
        return record
      }
      : Reflect.get(target, name) as unknown
  })
  const app = await build(t, slow)
  const { cookie, sid } = await signIn(app, data)

  for (const url of ['/me', '/strict']) {
    during = async () => await app.portcullis.session.update(sid, of({ by: url }))
    t.same((await identityOf(app, { cookie }, url)).data, { by: url })
    t.equal(during, null)
    t.same((await identityOf(app, { cookie })).data, { by: url })
  }
})

for (const [name, open] of sharedStores) {
  t.test(`${name}: the data that one process writes is in the identities of the other, at once where the store is asked`, async t => {
    const [here, there] = await Promise.all((await open(t)).map(store => build(t, store)))
    const { cookie, sid } = await signIn(here!, data)
    const cached = await identityOf(there!, { cookie })
    t.same(cached.data, data)

    await here!.portcullis.session.update(sid, of({ from: 'here' }))

    t.same((await identityOf(there!, { cookie }, '/strict')).data, { from: 'here' })
    await until(async () => (await identityOf(there!, { cookie })).data !== cached.data)
    t.same(there!.seen.at(-1)!.data, { from: 'here' })
  })

  t.test(`${name}: of writes of two processes at once the last counts, whole and for both`, async t => {
    const apps = await Promise.all((await open(t)).map(store => build(t, store)))
    const { cookie, sid } = await signIn(apps[0]!, {})
    const all = Array.from({ length: 20 }, (_, number) => ({ number, [`only-${number}`]: 'x'.repeat(number) }))

    await Promise.all(all.map(async (data, index) => await apps[index % 2]!.portcullis.session.update(sid, of(data))))

    const { data: last } = (await apps[0]!.portcullis.session.read(sid))!
    t.ok(all.some(data => JSON.stringify(data) === JSON.stringify(last)))
    for (const app of apps) await until(async () => JSON.stringify((await identityOf(app, { cookie })).data) === JSON.stringify(last))
  })
}

t.test('a known session costs no call of the store, with data and without', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const { cookie } = await signIn(app, data)
  await identityOf(app, { cookie })
  const { pull: _, ...before } = { ...faulty.calls }
  for (let count = 0; count < 10; count++) await identityOf(app, { cookie })
  const { pull: __, ...after } = faulty.calls

  t.same(after, before)
})

t.test('the data of sessions is in no log, event, answer or error', async t => {
  const value = randomBytes(16).toString('base64url')
  learnSecret('data of a session', value)
  const { store } = await createStore(t)
  const app = await build(t, store)
  const secret = { [value]: value, note: value, list: [value, { [value]: value }] }
  const { cookie, sid } = await signIn(app, secret)
  const family = await signIn(app, secret, '/in-tokens')

  t.same((await identityOf(app, { cookie })).data, secret)
  await app.inject({ method: 'POST', url: '/renew', headers: { cookie } })
  await app.inject({ method: 'POST', url: '/fresh', headers: { cookie: family.cookie } })
  await app.portcullis.session.update(sid, of({ note: `${value}2` }))
  for (const fault of [undefined, 1n, new Date(), () => value, 'x'.repeat(5000), '\ud800', Object.create({ value })]) {
    for (const wrong of [{ [value]: fault, note: value }, { note: { [value]: [value, fault] } }, { [`${value}@example.com`]: fault }]) {
      const error: unknown = await app.portcullis.session.update(sid, of(wrong)).catch(error => error)
      t.match(error, { name: 'TypeError' })
      t.notOk(String((error as Error).message).includes(value), (error as Error).message)
    }
  }
  t.equal((await app.inject({ method: 'POST', url: '/in', payload: { text: value.repeat(200) } })).statusCode, 500)
  await app.portcullis.blocklist.revoke({ subject: 'ada' })
  t.equal((await openFamily(app)).sid.length, 22)
})
