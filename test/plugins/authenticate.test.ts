import { sha256 } from '../../lib/secrets.ts'
import type { FastifyInstance, LightMyRequestResponse } from 'fastify'
import fp from 'fastify-plugin'
import { request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import accessToken from '../../plugins/access-token.ts'
import authenticate, { type AuthenticateDemand, type AuthenticateOptions } from '../../plugins/authenticate.ts'
import blocklist from '../../plugins/blocklist.ts'
import cookies from '../../plugins/cookies.ts'
import keys from '../../plugins/keys.ts'
import session from '../../plugins/session.ts'
import storePlugin from '../../plugins/store.ts'
import type { Store } from '../../stores/store.ts'
import { buildApp, createFaultyStore, createServer, createStore, openFamily, openSession, origin, otherSecret, recordEvents, secret, sessionCookieName, until, type AppOptions } from '../helpers/build-app.ts'

/** One route for each demand, for every method; each answers with who it is. */
const demands = {
  '/any': { audience: 'orders' },
  '/session': { audience: 'orders', access: 'session' },
  '/token': { audience: 'orders', access: 'token' },
  '/scoped': { audience: 'orders', scopes: ['orders:read'] },
  '/forbidden': { audience: 'orders', scopes: ['orders:read', 'orders:write'] },
  '/elsewhere': { audience: 'admin' },
  '/recent': { audience: 'orders', stepUp: { maxAge: '5m' } },
  '/recent-post': { audience: 'orders', scopes: ['orders:read'], stepUp: { maxAge: '5m', methods: ['POST'] } },
  '/recent-get': { audience: 'orders', stepUp: { maxAge: '5m', methods: ['GET'] } },
  '/strict': { audience: 'orders', consistency: 'strict' },
  '/basic': { audience: 'orders', access: 'session', ignoreBearer: true },
  '/public': { access: 'public' },
  '/public-orders': { access: 'public', audience: 'orders', scopes: ['orders:write'] }
} satisfies Record<string, AuthenticateDemand>

async function build (t: Test, store: Store, options: AppOptions = {}): Promise<FastifyInstance> {
  return await buildApp(t, store, { blocklist: { maxStaleness: '500ms' }, ...options }, app => {
    for (const [url, demand] of Object.entries(demands)) {
      app.route({
        method: ['GET', 'POST', 'DELETE'],
        url,
        onRequest: app.portcullis.authenticate(demand),
        handler: async ({ identityOrNull }) => ({ subject: identityOrNull?.subject ?? null, credential: identityOrNull?.credential ?? null })
      })
    }
    app.get('/open', async ({ identityOrNull }) => ({ identityOrNull }))
    app.get('/mistake', async ({ identity }) => ({ identity }))
    app.get('/public-mistake', { onRequest: app.portcullis.authenticate({ access: 'public' }) }, async ({ identity }) => ({ identity }))
  })
}

async function buildSignedIn (t: Test) {
  const { store, advance } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const { cookie, sid } = await openSession(app)
  const { token, sid: tokenSid } = await openFamily(app)
  return { app, store, faulty, advance, cookie, token, bearer: `Bearer ${token}`, sid, tokenSid }
}

async function get (app: FastifyInstance, url: string, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> {
  return await app.inject({ url, headers })
}

async function post (app: FastifyInstance, url: string, headers: Record<string, string> = {}): Promise<LightMyRequestResponse> {
  return await app.inject({ method: 'POST', url, headers })
}

function assertProblem (t: Test, response: LightMyRequestResponse, status: number, code: string, challenge?: string | RegExp): void {
  t.match(response.json(), { status, code }, code)
  t.equal(response.statusCode, status)
  if (challenge !== undefined) t.match(response.headers['www-authenticate'], challenge, code)
  t.equal(response.headers['set-cookie'], undefined)
}

t.test('either credential lets its subject in, where it is accepted', async t => {
  const { app, cookie, bearer } = await buildSignedIn(t)

  t.same((await get(app, '/any', { cookie })).json(), { subject: 'ada', credential: 'session' })
  t.same((await get(app, '/any', { authorization: bearer })).json(), { subject: 'ada', credential: 'token' })
  t.same((await get(app, '/session', { cookie })).json(), { subject: 'ada', credential: 'session' })
  t.same((await get(app, '/token', { authorization: bearer })).json(), { subject: 'ada', credential: 'token' })
  assertProblem(t, await get(app, '/session', { authorization: bearer }), 401, 'PTC_ERR_CREDENTIALS_MISSING', /^Bearer$/)
  assertProblem(t, await get(app, '/token', { cookie }), 401, 'PTC_ERR_CREDENTIALS_MISSING', /^Bearer$/)
})

t.test('nothing presented is a challenge without an error', async t => {
  const { app } = await buildSignedIn(t)

  assertProblem(t, await get(app, '/any'), 401, 'PTC_ERR_CREDENTIALS_MISSING', /^Bearer$/)
  assertProblem(t, await get(app, '/scoped', { authorization: 'Basic YWRhOmFkYQ==' }), 401, 'PTC_ERR_CREDENTIALS_MISSING', 'Bearer scope="orders:read"')
})

t.test('two credentials are refused, even where only one of them counts', async t => {
  const { app, cookie, bearer } = await buildSignedIn(t)

  for (const url of ['/any', '/session', '/token']) {
    assertProblem(t, await get(app, url, { cookie, authorization: bearer }), 400, 'PTC_ERR_CREDENTIALS_AMBIGUOUS')
    assertProblem(t, await get(app, url, { cookie: `${sessionCookieName}=`, authorization: bearer }), 400, 'PTC_ERR_CREDENTIALS_AMBIGUOUS')
  }
})

/* HTTP libraries join or drop repeated headers, so these are sent as they are. */
t.test('two Authorization headers are refused, and so are two session cookies', async t => {
  const { app, cookie, bearer } = await buildSignedIn(t)
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const ask = async (headers: string[]): Promise<{ code: string }> => await new Promise((resolve, reject) => {
    send({ port, host: '127.0.0.1', path: '/any', agent: false, headers: ['Host', 'app.example.com', ...headers] }, response => {
      let text = ''
      response.setEncoding('utf8').on('data', chunk => { text += String(chunk) }).on('end', () => { resolve(JSON.parse(text) as { code: string }) })
    }).on('error', reject).end()
  })

  t.match(await ask(['Authorization', bearer, 'Authorization', bearer]), { code: 'PTC_ERR_CREDENTIALS_AMBIGUOUS' })
  t.match(await ask(['Authorization', 'Basic YQ==', 'authorization', bearer]), { code: 'PTC_ERR_CREDENTIALS_AMBIGUOUS' })
  t.match(await ask(['Cookie', cookie, 'Cookie', cookie]), { code: 'PTC_ERR_COOKIE_DUPLICATE' })
  t.match(await ask(['Cookie', `${cookie}; ${cookie}`]), { code: 'PTC_ERR_COOKIE_DUPLICATE' })
  t.match(await ask(['Cookie', `${sessionCookieName}=; ${cookie}`, 'Authorization', bearer]), { code: 'PTC_ERR_COOKIE_DUPLICATE' })
})

t.test('a malformed credential is refused as what it tried to be', async t => {
  const { app, cookie, bearer } = await buildSignedIn(t)

  for (const authorization of ['Bearer', 'Bearer ', 'Bearer %', 'Bearer %zz', 'Bearer a b', `${bearer} x`, `${bearer}=`, `${bearer.slice(0, -2)}`, `Bearer ${'x'.repeat(9000)}`]) {
    assertProblem(t, await get(app, '/any', { authorization }), 401, 'PTC_ERR_TOKEN_INVALID', 'Bearer error="invalid_token"')
  }
  for (const value of ['', 'x', `${cookie.slice(0, -1)}`, `${cookie}x`]) {
    assertProblem(t, await get(app, '/any', { cookie: `${sessionCookieName}=${value.replace(`${sessionCookieName}=`, '')}` }), 401, 'PTC_ERR_SESSION_INVALID', /^Bearer$/)
  }
})

t.test('a credential for another audience is no credential here', async t => {
  const { app, cookie, bearer } = await buildSignedIn(t)

  assertProblem(t, await get(app, '/elsewhere', { authorization: bearer }), 401, 'PTC_ERR_TOKEN_INVALID', 'Bearer error="invalid_token"')
  assertProblem(t, await get(app, '/elsewhere', { cookie }), 403, 'PTC_ERR_SCOPE_INSUFFICIENT')
})

t.test('all scopes are required, and the challenge names them', async t => {
  const { app, cookie, bearer } = await buildSignedIn(t)

  t.equal((await get(app, '/scoped', { cookie })).statusCode, 200)
  for (const headers of [{ cookie }, { authorization: bearer }]) {
    assertProblem(t, await get(app, '/forbidden', headers), 403, 'PTC_ERR_SCOPE_INSUFFICIENT', 'Bearer error="insufficient_scope", scope="orders:read orders:write"')
  }
})

t.test('an authentication that is too old asks for a new one, by the store\'s clock and only for the methods that demand it', async t => {
  const { app, cookie, bearer, advance } = await buildSignedIn(t)
  advance(299_000)
  t.equal((await get(app, '/recent', { cookie })).statusCode, 200)

  advance(3000)
  const challenge = 'Bearer error="insufficient_user_authentication", max_age="300"'
  for (const headers of [{ cookie }, { authorization: bearer }]) assertProblem(t, await get(app, '/recent', headers), 401, 'PTC_ERR_STEP_UP_REQUIRED', challenge)
  t.equal((await get(app, '/recent-post', { cookie })).statusCode, 200)
  assertProblem(t, await post(app, '/recent-post', { authorization: bearer }), 401, 'PTC_ERR_STEP_UP_REQUIRED', challenge)
  t.equal((await app.inject({ method: 'DELETE', url: '/recent-post', headers: { cookie } })).statusCode, 200)
  // HEAD tells what GET tells.
  for (const method of ['GET', 'HEAD'] as const) t.equal((await app.inject({ method, url: '/recent-get', headers: { cookie } })).statusCode, 401, method)
})

t.test('assertRecent throws with its challenge', async t => {
  const { app, store } = await buildSignedIn(t)
  const now = Math.floor(store.nowMs() / 1000)

  t.doesNotThrow(() => { app.portcullis.assertRecent(now, 300) })
  t.doesNotThrow(() => { app.portcullis.assertRecent(now + 3600, 300) })
  t.throws(() => { app.portcullis.assertRecent(now - 302, 300) }, { code: 'PTC_ERR_STEP_UP_REQUIRED', headers: { 'www-authenticate': /max_age="300"/ } })
})

t.test('another site cannot use the session cookie for a state change', async t => {
  const { app, cookie, bearer } = await buildSignedIn(t)
  const events = recordEvents(t)
  const refused: Array<Record<string, string>> = [
    { 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { 'sec-fetch-site': 'unknown' }, { 'sec-fetch-site': '' }, { 'sec-fetch-site': 'same-origin, same-origin' },
    { 'sec-fetch-site': 'cross-site', origin }, { 'sec-fetch-site': 'Same-Origin', origin },
    { origin: 'null' }, { origin: 'https://evil.example' }, { origin: 'https://app.example.com.evil.example' }, { origin: 'http://app.example.com' }, { origin: '' }
  ]
  const passed: Array<Record<string, string>> = [{}, { 'sec-fetch-site': 'same-origin' }, { 'sec-fetch-site': 'none' }, { origin }, { 'sec-fetch-site': 'same-origin', origin: 'null' }]

  for (const headers of refused) {
    for (const url of ['/any', '/public', '/session']) assertProblem(t, await post(app, url, { cookie, ...headers }), 403, 'PTC_ERR_CSRF_REFUSED')
    t.equal((await get(app, '/any', { cookie, ...headers })).statusCode, 200, 'safe methods pass')
    t.equal((await post(app, '/any', { authorization: bearer, ...headers })).statusCode, 200, 'a bearer token is sent by no browser of itself')
    t.equal((await post(app, '/public', headers)).statusCode, 200, 'without a cookie there is nothing to abuse')
  }
  for (const headers of passed) t.equal((await post(app, '/any', { cookie, ...headers })).statusCode, 200, JSON.stringify(headers))
  t.ok(events.every(({ event }) => event === 'csrf.refused') && events.length === refused.length * 3)
})

t.test('a session cookie that is doubled or broken is still one that another site may not send', async t => {
  const { app, cookie } = await buildSignedIn(t)
  for (const bad of [`${cookie}; ${cookie}`, `${sessionCookieName}=x`, `${sessionCookieName}=`]) assertProblem(t, await post(app, '/any', { cookie: bad, 'sec-fetch-site': 'cross-site' }), 403, 'PTC_ERR_CSRF_REFUSED')
})

t.test('refuseForeign refuses without any cookie too, and lets safe methods and non-browsers pass', async t => {
  const { store } = await createStore(t)
  const app = await buildApp(t, store, {}, app => {
    app.route({ method: ['GET', 'POST'], url: '/sign-in', onRequest: app.portcullis.refuseForeign, handler: async () => 'ok' })
  })

  assertProblem(t, await post(app, '/sign-in', { 'sec-fetch-site': 'cross-site' }), 403, 'PTC_ERR_CSRF_REFUSED')
  assertProblem(t, await post(app, '/sign-in', { origin: 'https://evil.example' }), 403, 'PTC_ERR_CSRF_REFUSED')
  t.equal((await get(app, '/sign-in', { 'sec-fetch-site': 'cross-site' })).statusCode, 200)
  t.equal((await post(app, '/sign-in')).statusCode, 200)
})

t.test('a public route takes a good credential and passes a bad one as nobody', async t => {
  const { app, cookie, bearer, faulty } = await buildSignedIn(t)
  const nobody = { subject: null, credential: null }

  t.match((await get(app, '/public', { cookie })).json(), { subject: 'ada' })
  t.match((await get(app, '/public', { authorization: bearer })).json(), { subject: 'ada' })
  for (const headers of [{}, { cookie: `${sessionCookieName}=x` }, { cookie: `${sessionCookieName}=${'A'.repeat(22)}.${'A'.repeat(43)}` }, { authorization: 'Bearer x' }, { authorization: 'Bearer' }, { cookie, authorization: bearer }, { cookie: `${cookie}; ${cookie}` }] as Array<Record<string, string>>) {
    t.same((await get(app, '/public', headers)).json(), nobody, JSON.stringify(headers).slice(0, 80))
  }
  t.same((await get(app, '/public-orders', { cookie })).json(), nobody, 'not good enough is nobody')

  faulty.fail()
  await until(() => !app.portcullis.blocklist.isFresh())
  t.same((await get(app, '/public', { cookie })).json(), nobody)
  t.same((await get(app, '/public', { authorization: bearer })).json(), nobody)
})

t.test('a revoked credential is refused at once, though it is remembered', async t => {
  const { app, cookie, bearer, sid, tokenSid } = await buildSignedIn(t)
  for (const headers of [{ cookie }, { authorization: bearer }]) t.equal((await get(app, '/any', headers)).statusCode, 200)

  await app.portcullis.blocklist.revoke({ sid })
  await app.portcullis.blocklist.revoke({ sid: tokenSid })

  assertProblem(t, await get(app, '/any', { cookie }), 401, 'PTC_ERR_SESSION_INVALID')
  assertProblem(t, await get(app, '/any', { authorization: bearer }), 401, 'PTC_ERR_TOKEN_INVALID')
  t.match((await get(app, '/public', { cookie })).json(), { subject: null })
})

t.test('every kind of revocation is refused on another server too', async t => {
  const { store } = await createStore(t)
  const [here, there] = [await build(t, store), await build(t, store)]
  const revocations = [
    async ({ jti }: { jti: string }) => { await here.portcullis.blocklist.revoke({ jti, issuer: origin }) },
    async ({ jti }: { jti: string }) => { await here.portcullis.blocklist.revoke({ jti }) },
    async ({ sid }: { sid: string }) => { await here.portcullis.blocklist.revoke({ sid }) },
    async () => { await here.portcullis.blocklist.revoke({ subject: 'ada' }) },
    async () => { await here.portcullis.blocklist.revoke({ all: true }) }
  ]
  for (const revoke of revocations) {
    const { token, sid } = await openFamily(here)
    const headers = { authorization: `Bearer ${token}` }
    t.equal((await get(there, '/any', headers)).statusCode, 200)
    const { jti } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string }

    await revoke({ jti, sid })

    t.equal((await get(here, '/any', headers)).statusCode, 401)
    t.equal((await get(there, '/strict', headers)).statusCode, 401)
    await until(async () => (await get(there, '/any', headers)).statusCode === 401)
  }
})

t.test('while the log is silent the store itself is asked; while that is away too, nobody gets in', async t => {
  const { app, cookie, bearer, faulty, store, sid } = await buildSignedIn(t)
  for (const headers of [{ cookie }, { authorization: bearer }]) await get(app, '/any', headers)
  faulty.fail('pull')
  await until(() => !app.portcullis.blocklist.isFresh())

  for (const headers of [{ cookie }, { authorization: bearer }]) t.equal((await get(app, '/any', headers)).statusCode, 200)
  await store.close(sid, { maxTokenAgeMs: 60_000 })
  assertProblem(t, await get(app, '/any', { cookie }), 401, 'PTC_ERR_SESSION_INVALID')

  faulty.fail()
  const response = await get(app, '/any', { authorization: bearer })
  assertProblem(t, response, 503, 'PTC_ERR_STORE_UNAVAILABLE')
  t.match(response.headers['retry-after'], /^\d+$/)
})

t.test('strict asks the store about every request and never lives on memory', async t => {
  const { app, cookie, bearer, faulty, store, sid } = await buildSignedIn(t)
  for (const [headers, question] of [[{ cookie }, 'read'], [{ authorization: bearer }, 'isGood']] as const) {
    await get(app, '/strict', headers)
    const before = faulty.calls[question] ?? 0
    for (let i = 0; i < 5; i++) t.equal((await get(app, '/strict', headers)).statusCode, 200)
    t.equal((faulty.calls[question] ?? 0) - before, 5)
  }

  faulty.fail('pull')
  await store.close(sid, { maxTokenAgeMs: 60_000 })
  assertProblem(t, await get(app, '/strict', { cookie }), 401, 'PTC_ERR_SESSION_INVALID')
  faulty.fail()
  assertProblem(t, await get(app, '/strict', { authorization: bearer }), 503, 'PTC_ERR_STORE_UNAVAILABLE')
})

t.test('a cookie that was renewed elsewhere is dead at once where strict is demanded, and where the log is silent', async t => {
  const { app, cookie, faulty, store, sid } = await buildSignedIn(t)
  for (const url of ['/any', '/strict']) t.equal((await get(app, url, { cookie })).statusCode, 200)
  faulty.fail('pull')

  await store.renew(sid, { secretHash: sha256('another secret'), acr: '1', amr: ['pwd'] })

  assertProblem(t, await get(app, '/strict', { cookie }), 401, 'PTC_ERR_SESSION_INVALID')
  await until(() => !app.portcullis.blocklist.isFresh())
  assertProblem(t, await get(app, '/any', { cookie }), 401, 'PTC_ERR_SESSION_INVALID')
})

t.test('strict never serves stale, though staleFor lets others', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store, { blocklist: { maxStaleness: '500ms', staleFor: '1h' } })
  const { token } = await openFamily(app)
  const headers = { authorization: `Bearer ${token}` }
  faulty.fail()
  await until(() => !app.portcullis.blocklist.isFresh())

  t.equal((await get(app, '/any', headers)).statusCode, 200)
  assertProblem(t, await get(app, '/strict', headers), 503, 'PTC_ERR_STORE_UNAVAILABLE')
})

t.test('where the Authorization header is none of ours it is neither read nor a second credential', async t => {
  const { app, cookie, bearer } = await buildSignedIn(t)

  t.equal((await get(app, '/basic', { cookie, authorization: bearer })).statusCode, 200)
  t.equal((await get(app, '/basic', { cookie, authorization: 'Bearer' })).statusCode, 200)
  assertProblem(t, await get(app, '/basic', { authorization: bearer }), 401, 'PTC_ERR_CREDENTIALS_MISSING')
})

t.test('an identity on a route that demands none is an error, not nobody', async t => {
  const { app, cookie } = await buildSignedIn(t)

  assertProblem(t, await get(app, '/mistake', { cookie }), 401, 'PTC_ERR_CREDENTIALS_MISSING')
  assertProblem(t, await get(app, '/public-mistake'), 401, 'PTC_ERR_CREDENTIALS_MISSING')
  t.same((await get(app, '/open', { cookie })).json(), { identityOrNull: null })
  t.match((await get(app, '/public-mistake', { cookie })).json(), { identity: { subject: 'ada' } })
})

t.test('one request\'s identity is not the next one\'s', async t => {
  const { app, cookie } = await buildSignedIn(t)
  const { cookie: eve } = await openSession(app, 'eve')

  const answers = await Promise.all(Array.from({ length: 200 }, async (_, i) => (await get(app, '/public', i % 3 === 0 ? {} : { cookie: i % 3 === 1 ? cookie : eve })).json<{ subject: string | null }>().subject))
  t.same(answers, answers.map((_, i) => [null, 'ada', 'eve'][i % 3]))
})

t.test('identify demands the same of a request without a hook', async t => {
  const { store } = await createStore(t)
  const app = await buildApp(t, store, {}, app => {
    app.get('/who', async request => await app.portcullis.identify(request, { audience: 'orders' }))
    app.get('/who-public', async request => await app.portcullis.identify(request, { access: 'public' }))
    app.get('/who-admin', async request => await app.portcullis.identify(request, { audience: 'orders', scopes: ['admin'] }))
  })
  const { cookie } = await openSession(app)

  t.match((await get(app, '/who', { cookie })).json(), { subject: 'ada' })
  assertProblem(t, await get(app, '/who'), 401, 'PTC_ERR_CREDENTIALS_MISSING', /^Bearer$/)
  assertProblem(t, await get(app, '/who-public'), 401, 'PTC_ERR_CREDENTIALS_MISSING')
  assertProblem(t, await get(app, '/who-admin', { cookie }), 403, 'PTC_ERR_SCOPE_INSUFFICIENT', /scope="admin"/)
})

t.test('a demand that is wrong is refused when the route is made', async t => {
  const { app } = await buildSignedIn(t)
  for (const [demand, message] of [
    [{}, 'portcullis.authenticate: audience is required unless access is public'],
    [{ access: 'token' }, 'portcullis.authenticate: audience is required unless access is public'],
    [{ audience: '' }, /^portcullis\.authenticate: audience /],
    [{ audience: ['orders'] }, /^portcullis\.authenticate: audience /],
    [{ audience: 'orders', access: 'none' }, 'portcullis.authenticate: access must be any, session, token or public'],
    [{ audience: 'orders', scopes: 'orders:read' }, /^portcullis\.authenticate: scopes /],
    [{ audience: 'orders', scopes: ['orders:read orders:write'] }, /^portcullis\.authenticate: scopes\.0 /],
    [{ audience: 'orders', stepUp: {} }, /^portcullis\.authenticate: stepUp\.maxAge /],
    [{ audience: 'orders', stepUp: { maxAge: 'soon' } }, /^portcullis\.authenticate: stepUp\.maxAge /],
    [{ audience: 'orders', stepUp: { maxAge: '5m', methods: ['delete'] } }, 'portcullis.authenticate: stepUp.methods.0 must be an HTTP method in capitals'],
    [{ audience: 'orders', stepUp: { maxAge: '5m', methods: [] } }, /^portcullis\.authenticate: stepUp\.methods /],
    [{ audience: 'orders', consistency: 'eventual' }, 'portcullis.authenticate: consistency must be replica or strict'],
    [{ audience: 'orders', scope: ['orders:read'] }, 'portcullis.authenticate: scope is not an option']
  ] as const) {
    t.throws(() => app.portcullis.authenticate(demand as unknown as AuthenticateDemand), { code: 'PTC_ERR_CONFIG_INVALID', message }, JSON.stringify(demand))
  }
})

t.test('the plugin does without refresh tokens, and not without sessions', async t => {
  const { store } = await createStore(t)
  for (const missing of ['', 'session']) {
    const app = createServer(t)
    for (const name of ['session', 'access-token', 'portcullis']) await app.register(fp(async () => {}, { name }))
    await app.register(storePlugin, { type: 'custom', store })
    await app.register(blocklist)
    await app.register(cookies, { origin })
    await app.register(keys, { secret })
    await app.register(accessToken, { issuer: origin })
    if (missing !== 'session') await app.register(session)
    if (missing !== '') {
      await t.rejects(async () => { await app.register(authenticate, { origin }) }, { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' }, missing)
      continue
    }
    await app.register(authenticate, { origin })
    app.get('/', { onRequest: app.portcullis.authenticate({ audience: 'orders' }) }, async ({ identity }) => identity)
    const { record } = await store.open({ subject: 'ada', username: 'ada', mode: 'tokens', secretHash: null, acr: '1', amr: [], scopes: [], audiences: ['orders'], client: { userAgent: '', ip: '' }, origin: null, absoluteTimeoutMs: 60_000, maxPerSubject: 2, maxTokenAgeMs: 60_000 })
    const token = app.portcullis.accessToken.issue(record, { audience: ['orders'], generation: 1 })
    t.match((await get(app, '/', { authorization: `Bearer ${token}` })).json(), { subject: 'ada' })
  }
})

t.test('a token of another gateway with keys of its own is refused', async t => {
  const [ours, theirs] = [await createStore(t), await createStore(t)]
  const [app, other] = [await build(t, ours.store), await build(t, theirs.store, { keys: { secret: otherSecret } })]
  const { token } = await openFamily(other)

  assertProblem(t, await get(app, '/any', { authorization: `Bearer ${token}` }), 401, 'PTC_ERR_TOKEN_INVALID')
})

t.test('wrong options are refused by name', async t => {
  const { app } = await buildSignedIn(t)
  for (const [options, message] of [
    [{}, 'portcullis-authenticate: origin is required'],
    [{ origin: '' }, /^portcullis-authenticate: origin /],
    [{ origin, csrf: false }, 'portcullis-authenticate: csrf is not an option']
  ] as const) {
    const server = createServer(t)
    await server.register(fp(async fastify => { fastify.decorate('portcullis', app.portcullis) }, { name: 'parts' }))
    for (const name of ['store', 'cookies', 'access-token', 'session', 'blocklist']) await server.register(fp(async () => {}, { name: `portcullis-${name}` }))
    await t.rejects(async () => { await server.register(authenticate, options as AuthenticateOptions) }, { code: 'PTC_ERR_CONFIG_INVALID', message }, JSON.stringify(options))
  }
})
