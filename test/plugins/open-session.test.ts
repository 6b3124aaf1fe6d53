import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import t, { type Test } from 'tap'
import type { Strength } from '../../lib/session/authentication.ts'
import { formatRefreshToken } from '../../lib/session/refresh-token.ts'
import { deriveSecrets } from '../../plugins/keys.ts'
import { buildApp, cookieOf, createFaultyStore, createStore, openFamily, openSession, otherSecret, recordEvents, refreshCookieName, sessionCookieName } from '../helpers/build-app.ts'

/*
 * A browser that carries a session signs in again, at a route of the application's own. The session that was there before must not
 * stay good: its owner believes it to be replaced, and sees no way to end it.
 */

async function build (t: Test) {
  const { store, advance } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await buildApp(t, faulty.store, {}, app => {
    app.get('/me', { onRequest: app.portcullis.authenticate({ audience: 'orders' }) }, async ({ identity }) => ({ subject: identity.subject }))
    app.post('/twice', async (_request, reply) => {
      const first = await reply.openSession({ subject: 'ada', audiences: ['orders'] })
      const second = await reply.openSession({ subject: 'ada', audiences: ['orders'] })
      return { first: first.session.sid, second: second.session.sid }
    })
    app.post('/at-once', async (_request, reply) => {
      const opened = await Promise.all(['a', 'b'].map(async () => await reply.openSession({ subject: 'ada', audiences: ['orders'] })))
      return { sids: opened.map(({ session }) => session.sid) }
    })
    app.post('/both', async (_request, reply) => {
      const first = await reply.openSession({ subject: 'ada', audiences: ['orders'] })
      const { session } = await reply.openFamily({ subject: 'ada', audiences: ['orders'] })
      return { first: first.session.sid, second: session.sid }
    })
  })
  return { app, store, faulty, advance }
}

async function post (app: FastifyInstance, url: string, cookie: string): Promise<LightMyRequestResponse> {
  return await app.inject({ method: 'POST', url, headers: { cookie } })
}

const isDeleted = (response: LightMyRequestResponse, name: string): boolean => response.cookies.some(cookie => cookie.name === name && cookie.value === '' && cookie.maxAge === 0)

for (const [mode, url, own, other] of [['session', '/login', sessionCookieName, refreshCookieName], ['tokens', '/tokens', refreshCookieName, sessionCookieName]] as const) {
  t.test(`a sign-in in ${mode} mode ends the sessions of the same and of the other mode that the request carries`, async t => {
    const { app, store } = await build(t)
    const [session, family] = [await openSession(app), await openFamily(app, 'eve')]
    const events = recordEvents(t)
    const response = await post(app, url, `${session.cookie}; ${family.cookie}`)

    t.equal(response.statusCode, 200)
    for (const { sid } of [session, family]) t.equal(await store.read(sid), null)
    t.equal((await app.inject({ url: '/me', headers: { cookie: session.cookie } })).statusCode, 401)
    t.equal((await post(app, '/refresh', family.cookie)).statusCode, 401)
    t.ok(cookieOf(response, own)?.length)
    t.ok(isDeleted(response, other))
    t.same(events.filter(({ event }) => event === 'session.closed').map(({ sid }) => sid).sort(), [session.sid, family.sid].sort())
  })

  t.test(`a sign-in in ${mode} mode ends a carried session that has been idle for too long, and passes by one that is over`, async t => {
    const { app, store, advance } = await build(t)
    const idle = await openSession(app)
    advance(60 * 60_000)
    t.equal((await post(app, url, idle.cookie)).statusCode, 200)
    t.equal(await store.read(idle.sid), null)

    const over = await openSession(app)
    advance(25 * 3_600_000)
    for (const cookie of [over.cookie, `${sessionCookieName}=nonsense`, `${refreshCookieName}=nonsense`]) t.equal((await post(app, url, cookie)).statusCode, 200)
  })

  t.test(`a sign-in in ${mode} mode ends both sessions of a request that carries one under the present and one under the former name`, async t => {
    const { app, store } = await build(t)
    const [present, former] = [await openSession(app), await openSession(app, 'eve')]
    const response = await post(app, url, `${former.cookie.replace('__Host-Http-', '__Host-')}; ${present.cookie}`)

    t.equal(response.statusCode, 200)
    for (const { sid } of [present, former]) t.equal(await store.read(sid), null)
    t.ok(isDeleted(response, '__Host-portcullis'))
  })

  t.test(`a sign-in in ${mode} mode beside a refresh cookie of a secret that is not known here succeeds, and ends nothing by the sid that it names`, async t => {
    const { app, store } = await build(t)
    const { sid } = await openFamily(app, 'eve')
    const [unknown] = deriveSecrets('test', otherSecret)
    const response = await post(app, url, `${refreshCookieName}=${formatRefreshToken(unknown, sid, 1)}`)

    t.equal(response.statusCode, 200)
    t.ok(response.cookies.some(({ name }) => name === refreshCookieName), 'the cookie is replaced, or deleted')
    t.match(await store.read(sid), { sid })
  })

  t.test(`a sign-in in ${mode} mode with a cookie that comes twice is refused before anything is done`, async t => {
    const { app, store, faulty } = await build(t)
    const { cookie, sid } = await openSession(app)
    const opened = faulty.calls.open
    for (const name of [sessionCookieName, refreshCookieName, '__Host-portcullis-device', '__Host-portcullis']) {
      const response = await post(app, url, `${cookie}; ${name}=a; ${name}=b`)
      t.match(response.json(), { code: 'PTC_ERR_COOKIE_DUPLICATE' })
      t.equal(response.headers['set-cookie'], undefined)
    }
    t.equal(faulty.calls.open, opened)
    t.match(await store.read(sid), { sid })
  })

  t.test(`a sign-in in ${mode} mode whose carried session cannot be ended sets no cookie and leaves no new session`, async t => {
    const { app, store, faulty } = await build(t)
    const { cookie, sid } = await openSession(app)
    faulty.fail()
    t.equal((await post(app, url, cookie)).statusCode, 503)
    faulty.recover()
    t.same((await store.list('ada')).map(record => record.sid), [sid])

    faulty.fail('read')
    const response = await post(app, url, cookie)
    t.equal(response.statusCode, 503)
    t.equal(response.headers['set-cookie'], undefined)
    faulty.recover()
    t.same((await store.list('ada')).map(record => record.sid), [sid], 'the new one is ended again')
    t.equal((await app.inject({ url: '/me', headers: { cookie } })).statusCode, 200)
  })
}

t.test('of two sessions that one request opens, in one mode or in both, the last one is good alone', async t => {
  const { app, store } = await build(t)
  for (const url of ['/twice', '/both']) {
    const response = await post(app, url, '')
    const { first, second } = response.json<{ first: string, second: string }>()
    t.equal(await store.read(first), null, url)
    t.match(await store.read(second), { sid: second })
    const good = response.cookies.filter(({ value }) => value !== '').map(({ name }) => name)
    t.same(good, [url === '/twice' ? sessionCookieName : refreshCookieName])
  }
})

t.test('of two sessions that one answer opens at once, one is left', async t => {
  const { app, store } = await build(t)

  await app.inject({ method: 'POST', url: '/at-once' })

  t.equal((await store.list('ada')).length, 1)
})

t.test('a sign-in with a value that a credential could not carry is refused in both modes alike, and nothing is stored', async t => {
  const { store } = await createStore(t)
  const errors: unknown[] = []
  const app = await buildApp(t, store, {}, app => {
    app.setErrorHandler(async (error, _request, reply) => {
      errors.push(error)
      return await reply.code(500).send()
    })
    app.post<{ Body: Parameters<typeof app.portcullis.session.open>[1] }>('/session', async ({ body }, reply) => await reply.openSession(body))
    app.post<{ Body: Parameters<typeof app.portcullis.session.open>[1] }>('/family', async ({ body }, reply) => await reply.openFamily(body))
    app.post<{ Params: { sid: string }, Body: Strength }>('/renew/:sid', async ({ params, body }, reply) => ({ renewed: await app.portcullis.session.renew(reply, params.sid, body) !== null }))
    app.post<{ Body: Strength }>('/strengthen', async ({ body }, reply) => await reply.rotateFamily({ fresh: body }))
  })
  const bad = { acr: [2, null, ['1']], amr: ['pwd', [1], [''], [`${'x'.repeat(12_000)}`]], audiences: [['x', ''], ['x', 5], 'x', ['"'.repeat(6000)]], scopes: [['a b'], [''], 'a'] }
  for (const [name, values] of Object.entries(bad)) {
    for (const value of values) {
      for (const url of ['/session', '/family']) {
        t.equal((await app.inject({ method: 'POST', url, payload: { subject: 'zoe', [name]: value } })).statusCode, 500, name)
        t.match(errors.pop(), { name: 'TypeError', message: name }, name)
      }
    }
  }
  t.same(await store.list('zoe'), [])

  const [session, family] = [await openSession(app), await openFamily(app)]
  const before = [await store.read(session.sid), await store.read(family.sid)]
  for (const payload of [{}, { acr: '1' }, { acr: 2, amr: ['otp'] }, { acr: '2', amr: 'otp' }, { acr: '2', amr: ['x'.repeat(12_000)] }]) {
    for (const [url, cookie] of [[`/renew/${session.sid}`, session.cookie], ['/strengthen', family.cookie]] as const) {
      t.equal((await app.inject({ method: 'POST', url, payload, headers: { cookie } })).statusCode, 500, JSON.stringify(payload).slice(0, 60))
      t.match(errors.pop(), { name: 'TypeError', message: /acr|amr/ }, JSON.stringify(payload).slice(0, 60))
    }
  }
  t.same([await store.read(session.sid), await store.read(family.sid)], before)
  t.equal((await app.inject({ method: 'POST', url: '/strengthen', payload: { acr: '2', amr: ['otp'] }, headers: { cookie: family.cookie } })).statusCode, 200)
})
