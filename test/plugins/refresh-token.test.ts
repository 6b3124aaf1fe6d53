import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import fp from 'fastify-plugin'
import jwt from '@fastify/jwt'
import t, { type Test } from 'tap'
import { formatRefreshToken } from '../../lib/session/refresh-token.ts'
import { deriveSecret } from '../../lib/secrets.ts'
import { createSid } from '../../lib/session/sid.ts'
import blocklist from '../../plugins/blocklist.ts'
import cookies from '../../plugins/cookies.ts'
import refreshToken, { type RefreshTokenOptions } from '../../plugins/refresh-token.ts'
import type { TokenResponse } from '../../plugins/refresh-token/refresh-tokens.ts'
import storePlugin from '../../plugins/store.ts'
import type { Store } from '../../stores/store.ts'
import { cookieOf, createFaultyStore, createServer, createStore, openFamily, origin, otherSecret, recordEvents, refreshCookieName, secret, until } from '../helpers/build-app.ts'

/** The plugin with its dependencies alone, and the author's own @fastify/jwt for access tokens. */
async function build (t: Test, store: Store, options: Partial<RefreshTokenOptions> = {}): Promise<FastifyInstance> {
  const app = createServer(t)
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(blocklist)
  await app.register(cookies, { origin })
  await app.register(jwt, { secret: 'an-own-secret-of-the-author' })
  await app.register(refreshToken, {
    secret,
    accessToken: ({ subject, sid, generation, audience }) => app.jwt.sign({ sub: subject, sid, gen: generation, aud: audience }, { expiresIn: '10m' }),
    ...options
  })
  app.post('/tokens', async (request, reply) => await reply.openFamily({ subject: (request.query as { subject?: string }).subject ?? 'ada', audiences: ['orders', 'billing'] }))
  app.post('/refresh', async (request, reply) => {
    const { audience } = request.query as { audience?: string }
    return await reply.rotateFamily(audience === undefined ? {} : { audience: audience.split(',') })
  })
  return app
}

async function refresh (app: FastifyInstance, cookie: string, query: Record<string, string> = {}): Promise<LightMyRequestResponse> {
  return await app.inject({ method: 'POST', url: '/refresh', headers: { cookie }, query })
}

/** Refreshes as an honest client does; resolves to the next Cookie header. */
async function next (app: FastifyInstance, cookie: string): Promise<string> {
  const response = await refresh(app, cookie)
  if (response.statusCode !== 200) throw new Error(response.body)
  return cookieOf(response, refreshCookieName) ?? cookie
}

function assertRefused (t: Test, response: LightMyRequestResponse, message = 'refused'): void {
  t.match(response.json(), { code: 'PTC_ERR_REFRESH_REFUSED', statusCode: 401 }, message)
  t.equal(response.headers['set-cookie'], undefined, message)
}

const minute = 60_000

t.test('opening a family answers with a token and sets the refresh cookie, which stands nowhere else', async t => {
  const { store } = await createStore(t)
  const events = recordEvents(t)
  const app = await build(t, store)

  const response = await app.inject({ method: 'POST', url: '/tokens' })
  const body = response.json<TokenResponse>()
  const value = (cookieOf(response, refreshCookieName) ?? '').split('=')[1] ?? ''

  t.match(body, { token_type: 'Bearer', session: { subject: 'ada' } })
  t.same(Object.keys(body).sort(), ['access_token', 'expires_in', 'refresh_in', 'session', 'token_type'])
  t.match(app.jwt.decode(body.access_token), { sub: 'ada', sid: body.session.sid, gen: 1, aud: ['orders', 'billing'] })
  t.match(response.headers['set-cookie'], /^__Secure-portcullis-refresh=[A-Za-z0-9_-]{75}; Path=\/auth; HttpOnly; Secure; SameSite=Strict$/)
  t.notOk(response.body.includes(value) || JSON.stringify(events).includes(value))
  t.match(events, [{ event: 'session.opened', outcome: 'tokens', subject: 'ada' }])
})

t.test('the client is told to come back before the token ends, and not always at the same time', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store, { maxPerSubject: 1000 })
  const answers = await Promise.all(Array.from({ length: 60 }, async () => (await app.inject({ method: 'POST', url: '/tokens' })).json<TokenResponse>()))

  for (const { refresh_in: refreshIn, expires_in: expiresIn } of answers) t.ok(refreshIn > 0 && refreshIn < expiresIn && expiresIn <= 600 && expiresIn >= 598)
  t.ok(new Set(answers.map(({ refresh_in: refreshIn }) => refreshIn)).size > 5)
})

t.test('rotated: the next generation, with its cookie', async t => {
  const { store } = await createStore(t)
  const events = recordEvents(t)
  const app = await build(t, store)
  const { cookie, sid } = await openFamily(app)

  const response = await refresh(app, cookie)
  t.equal(response.statusCode, 200)
  t.not(cookieOf(response, refreshCookieName), cookie)
  t.match(app.jwt.decode(response.json<TokenResponse>().access_token), { sid, gen: 2 })
  t.match(events.at(-1), { event: 'refresh.rotated', sid, subject: 'ada' })
})

t.test('repeated: a retry after a lost response gets the same generation again, with its cookie', async t => {
  const { store, advance } = await createStore(t)
  const events = recordEvents(t)
  const app = await build(t, store)
  const { cookie } = await openFamily(app)
  const lost = await next(app, cookie)
  advance(25 * minute)

  const response = await refresh(app, cookie)
  t.equal(response.statusCode, 200)
  t.equal(cookieOf(response, refreshCookieName), lost)
  t.match(events.at(-1), { event: 'refresh.repeated' })
})

t.test('held: a new access token without a cookie', async t => {
  const { store } = await createStore(t)
  const events = recordEvents(t)
  const app = await build(t, store)
  const { cookie } = await openFamily(app)
  const second = await next(app, cookie)
  await next(app, cookie)

  const response = await refresh(app, second)
  t.equal(response.statusCode, 200)
  t.equal(response.headers['set-cookie'], undefined)
  t.match(app.jwt.decode(response.json<TokenResponse>().access_token), { gen: 2 })
  t.match(events.at(-1), { event: 'refresh.held' })
})

t.test('recovered: a generation that the store has lost goes on, with its cookie', async t => {
  const { store } = await createStore(t)
  const events = recordEvents(t)
  const app = await build(t, store)
  const { sid } = await openFamily(app)

  const response = await refresh(app, `${refreshCookieName}=${formatRefreshToken(deriveSecret(secret), sid, 3)}`)
  t.equal(response.statusCode, 200)
  t.equal(cookieOf(response, refreshCookieName), `${refreshCookieName}=${formatRefreshToken(deriveSecret(secret), sid, 4)}`)
  t.match(events.at(-1), { event: 'refresh.recovered' })
})

t.test('reused: the session is revoked everywhere, and no cookie is touched', async t => {
  const { store, advance } = await createStore(t)
  const events = recordEvents(t)
  const [app, other] = [await build(t, store), await build(t, store)]
  const { cookie: stolen, sid } = await openFamily(app)
  const second = await next(app, stolen)
  const third = await next(app, second)
  advance(11_000)

  assertRefused(t, await refresh(app, stolen))
  t.match(events.at(-1), { event: 'refresh.reused', sid, subject: 'ada' })
  t.ok(app.portcullis.blocklist.isRevoked({ sid }))
  await until(() => other.portcullis.blocklist.isRevoked({ sid }))
  assertRefused(t, await refresh(app, third))
  assertRefused(t, await refresh(other, third))
  t.equal(await store.read(sid), null)
})

t.test('a generation far ahead of the store revokes the session', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const { cookie, sid } = await openFamily(app)

  assertRefused(t, await refresh(app, `${refreshCookieName}=${formatRefreshToken(deriveSecret(secret), sid, 5)}`))
  assertRefused(t, await refresh(app, cookie))
})

t.test('expired: after the idle or the absolute timeout nobody is accused and no cookie is touched', async t => {
  const { store, advance } = await createStore(t)
  const events = recordEvents(t)
  const app = await build(t, store, { idleTimeout: '30m', absoluteTimeout: '1h' })
  const { cookie: idle } = await openFamily(app)
  let { cookie: used } = await openFamily(app)
  advance(29 * minute)
  used = await next(app, used)
  advance(minute)

  assertRefused(t, await refresh(app, idle), 'idle')
  advance(28 * minute)
  used = await next(app, used)
  advance(2 * minute)
  assertRefused(t, await refresh(app, used), 'over')
  t.notOk(events.some(({ event }) => event === 'refresh.reused'))
})

t.test('unknown: a genuine token of no session is refused in the same words as a reused one', async t => {
  const { store, advance } = await createStore(t)
  const app = await build(t, store, { overlap: 0, retryWindow: 0 })
  const { cookie } = await openFamily(app)
  await next(app, cookie)
  advance(minute)
  const reused = await refresh(app, cookie)
  const unknown = await refresh(app, `${refreshCookieName}=${formatRefreshToken(deriveSecret(secret), createSid('ada'), 1)}`)
  const forged = await refresh(app, `${refreshCookieName}=${'A'.repeat(75)}`.replace('AAAAAA', deriveSecret(secret).id.toString('base64url')))
  const missing = await refresh(app, 'theme=dark')

  for (const response of [reused, unknown, forged, missing]) {
    assertRefused(t, response)
    t.equal(response.body, reused.body)
  }
})

t.test('a forged token never reaches the store, and revokes nothing', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const { cookie, sid } = await openFamily(app)
  const before = { ...faulty.calls }
  const value = Buffer.from(cookie.slice(cookie.indexOf('=') + 1), 'base64url')
  faulty.fail('read', 'rotate', 'close')

  const forged = ['', 'x', `${value.toString('base64url')}=`, 'A'.repeat(100_000)]
  for (const at of [4, 12, 20, 23, 24, 55]) {
    const bytes = Buffer.from(value)
    bytes[at] = (bytes[at] ?? 0) ^ 1
    forged.push(bytes.toString('base64url'))
  }
  for (const token of forged) assertRefused(t, await refresh(app, `${refreshCookieName}=${token}`), token.slice(0, 80))

  const { pull: _, ...calls } = faulty.calls
  const { pull: __, ...callsBefore } = before
  t.same(calls, callsBefore)
  faulty.recover()
  t.ok(await store.read(sid))
  t.equal((await refresh(app, cookie)).statusCode, 200)
})

t.test('a token of a secret that is not known here is an outage: nobody is sent away while it is changed', async t => {
  const { store } = await createStore(t)
  const [old, both, fresh] = [await build(t, store), await build(t, store, { secret: [otherSecret, secret] }), await build(t, store, { secret: otherSecret })]
  const { cookie } = await openFamily(old)

  const refused = await refresh(fresh, cookie)
  t.match(refused.json(), { code: 'PTC_ERR_STORE_UNAVAILABLE', statusCode: 503 })
  t.equal(refused.headers['set-cookie'], undefined)

  const changed = await next(both, cookie)
  t.match((await refresh(old, changed)).json(), { statusCode: 503 })
  t.equal((await refresh(fresh, changed)).statusCode, 200)
})

t.test('while the store is away it is 503 and the client keeps its cookie, which is good afterwards', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const { cookie } = await openFamily(app)
  faulty.fail()

  for (const response of [await refresh(app, cookie), await refresh(app, cookie, { audience: 'orders' }), await app.inject({ method: 'POST', url: '/tokens' })]) {
    t.match(response.json(), { code: 'PTC_ERR_STORE_UNAVAILABLE', statusCode: 503 })
    t.equal(response.headers['set-cookie'], undefined)
  }
  faulty.recover()
  t.equal((await refresh(app, cookie)).statusCode, 200)
})

t.test('a rotation whose answer was lost by the store itself is repeated', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const { cookie, sid } = await openFamily(app)
  faulty.before('rotate', async () => {
    await store.rotate(sid, 1, { overlapMs: 10_000, retryWindowMs: minute, idleTimeoutMs: minute, maxTokenAgeMs: minute })
    faulty.fail('rotate')
  })
  t.equal((await refresh(app, cookie)).statusCode, 503)

  faulty.recover()
  t.match(app.jwt.decode((await refresh(app, cookie)).json<TokenResponse>().access_token), { gen: 2 })
})

t.test('a token that cannot be made is no rotation lost', async t => {
  const { store } = await createStore(t)
  let isBroken = false
  const app = await build(t, store, {
    accessToken: ({ sid }) => {
      if (isBroken) throw new Error('no key')
      return app.jwt.sign({ sid }, { expiresIn: '10m' })
    }
  })
  const { cookie } = await openFamily(app)
  isBroken = true
  const failed = await refresh(app, cookie)
  t.equal(failed.statusCode, 500)
  t.equal(failed.headers['set-cookie'], undefined)

  isBroken = false
  t.ok(cookieOf(await refresh(app, cookie), refreshCookieName))
})

t.test('fifty parallel refreshes over two servers all succeed, with one successor', async t => {
  const { store } = await createStore(t)
  const apps = [await build(t, store), await build(t, store)] as const
  const { cookie, sid } = await openFamily(apps[0])

  const responses = await Promise.all(Array.from({ length: 50 }, async (_, i) => await refresh(apps[i % 2] ?? apps[0], cookie)))

  t.same(new Set(responses.map(({ statusCode }) => statusCode)), new Set([200]))
  t.equal(new Set(responses.map(response => cookieOf(response, refreshCookieName))).size, 1)
  t.match(await store.read(sid), { family: { generation: 2 } })
  t.not(cookieOf(responses[0]!, refreshCookieName), cookie)
})

t.test('with both windows at zero every token is good once, and fifty at once revoke the session', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store, { overlap: 0, retryWindow: '0s' })
  let { cookie } = await openFamily(app)
  for (let i = 0; i < 20; i++) cookie = await next(app, cookie)

  const responses = await Promise.all(Array.from({ length: 50 }, async () => await refresh(app, cookie)))
  t.equal(responses.filter(({ statusCode }) => statusCode === 200).length, 1)
  assertRefused(t, await refresh(app, cookieOf(responses.find(({ statusCode }) => statusCode === 200)!, refreshCookieName) ?? ''))
})

t.test('an access token that is seen proves its refresh token received, once, so that a late retry is theft', async t => {
  const { store, advance } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const { cookie, sid } = await openFamily(app)
  await next(app, cookie)

  const token = { sid, generation: 2 }
  for (let i = 0; i < 10; i++) app.portcullis.refreshToken.noteReceived(token)
  app.portcullis.refreshToken.noteReceived({ sid, generation: null })
  t.equal(faulty.calls.noteReceived, 1)
  await until(async () => (await store.read(sid))?.family?.received === true)
  advance(11_000)
  assertRefused(t, await refresh(app, cookie))
})

t.test('a note that was lost is made up for by the next one', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const { cookie, sid } = await openFamily(app)
  await next(app, cookie)
  const token = { sid, generation: 2 }
  faulty.fail('noteReceived')
  app.portcullis.refreshToken.noteReceived(token)
  await new Promise(resolve => { setImmediate(resolve) })

  faulty.recover()
  app.portcullis.refreshToken.noteReceived(token)
  await until(async () => (await store.read(sid))?.family?.received === true)
  t.equal(faulty.calls.noteReceived, 2)
})

t.test('a token may be asked for some of the audiences, never for others', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const { cookie } = await openFamily(app)

  const refused = await refresh(app, cookie, { audience: 'orders,admin' })
  t.match(refused.json(), { code: 'PTC_ERR_AUDIENCE_UNKNOWN', statusCode: 400 })
  t.equal(refused.headers['set-cookie'], undefined)
  const response = await refresh(app, cookie, { audience: 'orders' })
  t.match(app.jwt.decode(response.json<TokenResponse>().access_token), { aud: ['orders'], gen: 2 })
})

t.test('the refresh cookie twice is refused, before anything is done with either', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const { cookie } = await openFamily(app)

  const response = await refresh(app, `${cookie}; ${cookie}`)
  t.match(response.json(), { code: 'PTC_ERR_COOKIE_DUPLICATE', statusCode: 400 })
  t.equal(faulty.calls.rotate, undefined)
})

t.test('at the limit the oldest family of the subject is closed', async t => {
  const { store, advance } = await createStore(t)
  const app = await build(t, store, { maxPerSubject: 1 })
  const { cookie, sid } = await openFamily(app)
  advance(1)
  const { cookie: newer } = await openFamily(app)

  t.ok(app.portcullis.blocklist.isRevoked({ sid }))
  assertRefused(t, await refresh(app, cookie))
  t.equal((await refresh(app, newer)).statusCode, 200)
})

t.test('an access token that tells no end is an author\'s mistake, said in words', async t => {
  const { store } = await createStore(t)
  for (const token of ['opaque', 'e30.e30.AAAA']) {
    const app = await build(t, store, { accessToken: () => token })
    const response = await app.inject({ method: 'POST', url: '/tokens' })
    t.equal(response.statusCode, 500)
    t.equal(response.headers['set-cookie'], undefined)
  }
})

t.test('the plugin does not boot without each of its dependencies, nor with plugins that are only called so', async t => {
  const { store } = await createStore(t)
  for (const missing of ['blocklist', 'cookies']) {
    const app = createServer(t)
    for (const name of ['store', 'cookies', 'blocklist', 'refresh-token']) await app.register(fp(async () => {}, { name }))
    await app.register(storePlugin, { type: 'custom', store })
    if (missing !== 'blocklist') await app.register(blocklist)
    if (missing !== 'cookies') await app.register(cookies, { origin })
    await t.rejects(async () => { await app.register(refreshToken, { secret, accessToken: () => '' }) }, { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' }, missing)
  }
})

t.test('wrong options are refused by name, and no secret is repeated', async t => {
  const { store } = await createStore(t)
  for (const [options, message] of [
    [{ secret: undefined }, 'portcullis-refresh-token: secret is required'],
    [{ secret: 'hunter2' }, /^portcullis-refresh-token: secret must have at least 32 bytes/],
    [{ secret: [secret, 'hunter2'] }, /^portcullis-refresh-token: secret must have at least 32 bytes/],
    [{ secret: [] }, /^portcullis-refresh-token: secret must be a base64url text/],
    [{ accessToken: undefined }, 'portcullis-refresh-token: accessToken is required'],
    [{ accessToken: 'token' }, 'portcullis-refresh-token: accessToken must be a function that makes an access token'],
    [{ overlap: 'x' }, /^portcullis-refresh-token: overlap must be a duration/],
    [{ retryWindow: -1 }, /^portcullis-refresh-token: retryWindow must be a duration/],
    [{ idleTimeout: '0s' }, 'portcullis-refresh-token: idleTimeout must be above 0 and at most absoluteTimeout'],
    [{ idleTimeout: '2d' }, 'portcullis-refresh-token: idleTimeout must be above 0 and at most absoluteTimeout'],
    [{ maxPerSubject: 0 }, /^portcullis-refresh-token: maxPerSubject /],
    [{ window: '1m' }, 'portcullis-refresh-token: window is not an option']
  ] as const) {
    const error = await build(t, store, options as unknown as RefreshTokenOptions).then(() => null, (error: unknown) => error as Error)
    t.match(error, { code: 'PTC_ERR_CONFIG_INVALID', message }, JSON.stringify(options))
    t.notMatch(error?.message, /hunter2/)
  }
})
