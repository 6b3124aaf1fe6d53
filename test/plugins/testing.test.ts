import Fastify, { type FastifyInstance } from 'fastify'
import { mock } from 'node:test'
import t, { type Test } from 'tap'
import { MemoryStore } from '../../examples/memory-store.ts'
import { accessToken, authenticate, blocklist, cookies, errors, keys, mint, rateLimit, refreshToken, session, store, type StoreOptions } from '../../index.ts'
import { failingStore, memoryStore, signedIn, testClock, type FailingStore } from '../../plugins/testing/testing.ts'
import { decode, otherSecret, secret } from '../helpers/build-app.ts'

const origin = 'http://localhost:3000'

/** Builds an application as an author does, with its routes. */
async function build (t: Test, options: StoreOptions, { hasRefreshTokens = true } = {}): Promise<FastifyInstance> {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(errors)
  await app.register(store, options)
  await app.register(rateLimit, { signIn: { max: 1, window: '1m' } })
  await app.register(blocklist)
  await app.register(cookies, { origin })
  await app.register(keys, { secret })
  await app.register(accessToken, { issuer: origin, ttl: '10m' })
  await app.register(session, { idleTimeout: '10m', absoluteTimeout: '1h' })
  if (hasRefreshTokens) await app.register(refreshToken, { secret, accessToken: ({ record, audience, generation }) => app.portcullis.accessToken.issue(record, { audience, generation }) })
  await app.register(authenticate, { origin })
  await app.register(mint)
  const { authenticate: demand } = app.portcullis
  app.get('/me', { onRequest: demand({ audience: 'shop', scopes: ['read'], isUse: false }) }, async ({ identity }) => identity)
  app.get('/fresh', { onRequest: demand({ audience: 'shop', stepUp: { maxAge: '5m' }, isUse: false }) }, async () => 'fresh')
  app.post('/tokens', async (_request, reply) => await reply.openFamily(ada))
  app.post('/refresh', async (_request, reply) => await reply.rotateFamily())
  app.post('/guess', async (_request, reply) => await app.portcullis.rateLimit.signIn(reply, 'ada', async () => null) ?? 'wrong')
  return app
}

const ada = { subject: 'ada', audiences: ['shop'], scopes: ['read'] }

async function statuses (app: FastifyInstance, ...credentials: Array<Awaited<ReturnType<typeof signedIn>>>): Promise<number[]> {
  return await Promise.all(credentials.map(async headers => (await app.inject({ url: '/me', headers })).statusCode))
}

t.test('a signed-in subject has a session in the store, which ends as any other', async t => {
  const app = await build(t, { path: ':memory:' })
  const headers = await signedIn(app, { ...ada, acr: '2', amr: ['pwd', 'otp'] })

  const { subject, sid, scopes, audiences, acr, amr, credential } = (await app.inject({ url: '/me', headers })).json<Record<string, unknown>>()
  t.match({ subject, scopes, audiences, acr, amr, credential }, { subject: 'ada', scopes: ['read'], audiences: ['shop'], acr: '2', amr: ['pwd', 'otp'], credential: 'session' })
  t.match(await app.portcullis.store.read(sid as string), { subject: 'ada', mode: 'session' })
  await app.portcullis.blocklist.revoke({ subject: 'ada' })
  t.same(await statuses(app, headers), [401])
})

for (const hasRefreshTokens of [true, false]) {
  t.test(`a subject may have an access token, ${hasRefreshTokens ? 'with' : 'also without'} refresh tokens in the application`, async t => {
    const app = await build(t, { path: ':memory:' }, { hasRefreshTokens })
    const headers = await signedIn(app, { ...ada, mode: 'tokens' })

    const { sid, ...identity } = (await app.inject({ url: '/me', headers })).json<Record<string, unknown>>()
    t.match(identity, { subject: 'ada', credential: 'token', audiences: ['shop'], scopes: ['read'] })
    await app.portcullis.blocklist.revoke({ sid: sid as string })
    t.same(await statuses(app, headers), [401])
  })
}

t.test('a subject without the scope or the audience is refused, as nothing is bypassed', async t => {
  const app = await build(t, { path: ':memory:' })

  t.same(await statuses(app, await signedIn(app, { ...ada, scopes: [] }), await signedIn(app, { subject: 'ada' }), await signedIn(app, { ...ada, audiences: ['other'], mode: 'tokens' })), [403, 403, 401])
  await t.rejects(signedIn(app, { ...ada, scopes: ['a b'] }), TypeError)
  await t.rejects(signedIn(app, { subject: '' }), { code: 'PTC_ERR_LOGIN_REFUSED' })
})

t.test('a scope with cookies of its own signs its own subjects in', async t => {
  const app = await build(t, { path: ':memory:' })
  let partner!: FastifyInstance
  await app.register(async scope => {
    partner = scope
    await scope.register(cookies, { origin, name: 'partner' })
    await scope.register(blocklist)
    await scope.register(session)
    await scope.register(authenticate, { origin })
    scope.get('/partner', { onRequest: scope.portcullis.authenticate({ audience: 'shop' }) }, async () => 'partner')
  })
  const [here, there] = [await signedIn(app, ada), await signedIn(partner, ada)]

  t.equal((await app.inject({ url: '/partner', headers: there })).statusCode, 200)
  t.equal((await app.inject({ url: '/partner', headers: here })).statusCode, 401)
  t.same(await statuses(app, here, there), [200, 401])
})

t.test('an application without sessions or tokens is told what is missing', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(store, { path: ':memory:' })

  await t.rejects(signedIn(app, ada), { code: 'PTC_ERR_CONFIG_INVALID', message: 'signedIn: needs portcullis-session in this scope' })
  await t.rejects(signedIn(app, { ...ada, mode: 'tokens' }), { code: 'PTC_ERR_CONFIG_INVALID', message: /portcullis-refresh-token or portcullis-access-token/ })
})

t.test('a clock moves sessions, tokens, step-ups, minted tokens and budgets together', async t => {
  const clock = testClock(new Date('2031-05-06T07:08:09Z'))
  const app = await build(t, { path: ':memory:', clock: clock.now })
  const [cookie, token] = [await signedIn(app, ada), await signedIn(app, { ...ada, mode: 'tokens' })]
  const bearer = String(token['authorization' as never]).slice('Bearer '.length)
  const { claims } = decode(bearer)
  t.match(claims, { iat: clock.now() / 1000, exp: clock.now() / 1000 + 600, auth_time: clock.now() / 1000 })
  const identity = await app.portcullis.accessToken.verify(bearer)
  const minted = app.portcullis.mint(identity, 'wiki')
  const guess = async (): Promise<number> => (await app.inject({ method: 'POST', url: '/guess' })).statusCode
  t.same([await guess(), await guess()], [200, 429])

  clock.advance('59s')
  t.equal(app.portcullis.mint(identity, 'wiki'), minted)
  t.equal(await guess(), 429)
  clock.advance(1000)
  t.equal(await guess(), 200)
  clock.advance('4m')
  t.same(decode(app.portcullis.mint(identity, 'wiki')).claims['iat'], clock.now() / 1000)
  t.equal((await app.inject({ url: '/fresh', headers: cookie })).statusCode, 200)
  clock.advance('1s')
  t.match((await app.inject({ url: '/fresh', headers: cookie })).json(), { code: 'PTC_ERR_STEP_UP_REQUIRED' })
  clock.advance(299_000 - 1)
  t.same(await statuses(app, cookie, token), [200, 200])
  clock.advance(1)
  t.same(await statuses(app, cookie, token), [401, 401])
})

t.test('a clock is not set back, and takes durations alone', async t => {
  const clock = testClock(5)

  t.throws(() => { clock.advance(-1) }, RangeError)
  t.throws(() => { clock.advance('soon' as '1s') }, RangeError)
  t.throws(() => testClock(new Date('soon')), TypeError)
  t.equal(clock.now(), 5)
  t.ok(Math.abs(testClock().now() - Date.now()) < 60_000)
})

t.test('fake dates that begin after the start expire sessions and tokens together', async t => {
  const app = await build(t, { path: ':memory:' })
  const [cookie, token] = [await signedIn(app, ada), await signedIn(app, { ...ada, mode: 'tokens' })]
  t.teardown(() => { mock.timers.reset() })
  mock.timers.enable({ apis: ['Date'], now: Date.now() })

  mock.timers.tick(9 * 60_000)
  t.same(await statuses(app, cookie, token), [200, 200])
  mock.timers.tick(60_000)
  t.same(await statuses(app, cookie, token), [401, 401])
  mock.timers.reset()
  t.same(await statuses(app, cookie, token), [200, 200])
})

t.test('nothing waits for fake timers, whether they begin before or after the start', async t => {
  t.teardown(() => { mock.timers.reset() })
  for (const isEarly of [true, false]) {
    const enable = (): void => { mock.timers.enable({ apis: ['Date', 'setTimeout', 'setInterval'], now: Date.now() }) }
    if (isEarly) enable()
    const app = await build(t, { path: `${t.testdir({})}/portcullis.db` })
    if (!isEarly) enable()
    const [cookie, token] = [await signedIn(app, ada), await signedIn(app, { ...ada, mode: 'tokens' })]
    t.same(await statuses(app, cookie, token), [200, 200])
    await app.portcullis.blocklist.revoke({ subject: 'ada' })
    t.same(await statuses(app, cookie, token, cookie, token), [401, 401, 401, 401])
    const later = await signedIn(app, ada)
    mock.timers.tick(11 * 60_000)
    t.same(await statuses(app, later, later), [401, 401])
    await app.close()
    mock.timers.reset()
  }
})

t.test('nothing waits for a fake performance clock that begins again, as those of some test runners do', async t => {
  const app = await build(t, { path: ':memory:' })
  const headers = await signedIn(app, ada)
  await statuses(app, headers)
  const { performance } = globalThis
  t.teardown(() => { globalThis.performance = performance })
  // A process that has run for hours sees a clock that begins at zero as one that is hours behind.
  globalThis.performance = { now: () => performance.now() - 36_000_000 } as Performance

  const { sid } = (await app.inject({ url: '/me', headers })).json<{ sid: string }>()
  // The rejection of a wrong secret is confirmed by the store, which is read at most so often.
  t.same(await statuses(app, { cookie: `portcullis=${sid}.${'A'.repeat(43)}` }, headers), [401, 200])
  await app.portcullis.blocklist.revoke({ sid })
  t.same(await statuses(app, headers, headers, { cookie: `${headers['cookie' as never] as string}x` }), [401, 401, 401])
  t.same(await statuses(app, await signedIn(app, ada)), [200])
  t.equal((await app.inject({ url: '/me', headers: { authorization: `Bearer ${unknownKey}` } })).statusCode, 401)
})

/** A token whose key the application does not know, so that it reads the keys. */
const unknownKey = [{ alg: 'ES256', typ: 'at+jwt', kid: otherSecret }, { iss: origin }].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.') + `.${Buffer.alloc(64).toString('base64url')}`

async function buildFailing (t: Test, inner?: ConstructorParameters<typeof MemoryStore>): Promise<{ app: FastifyInstance, failing: FailingStore }> {
  const own = inner === undefined ? await memoryStore() : new MemoryStore(...inner)
  t.teardown(() => own.end())
  const failing = failingStore(own, { timeout: 20 })
  return { failing, app: await build(t, { type: 'custom', store: failing }) }
}

t.test('a store fails on demand, by operation or as a whole, and recovers', async t => {
  for (const inner of [undefined, [] as never]) {
    const { app, failing } = await buildFailing(t, inner)
    const known = await signedIn(app, ada)
    t.same(await statuses(app, known), [200])
    failing.fail('read')
    t.same(await statuses(app, known, { cookie: 'portcullis=AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }), [200, 503])
    await signedIn(app, ada)
    failing.fail()
    await t.rejects(signedIn(app, ada), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
    failing.recover()
    t.same(await statuses(app, await signedIn(app, ada)), [200])
    t.throws(() => { failing.fail('rotte' as never) }, { name: 'TypeError', message: /no operation rotte/ })
  }
})

t.test('an operation that hangs ends at the deadline of the store, or when it recovers', async t => {
  const { failing } = await buildFailing(t)
  failing.hang('list')
  await t.rejects(failing.list('ada'), { code: 'PTC_ERR_STORE_UNAVAILABLE' })

  const slow = failingStore(failing, { timeout: '1h' })
  failing.recover()
  slow.hang('list')
  const listed = t.rejects(slow.list('ada'), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
  slow.recover()
  await listed
  t.same(await slow.list('ada'), [])
})

t.test('an operation whose answer is lost has happened, so that a client that refreshes again goes on', async t => {
  const { app, failing } = await buildFailing(t)
  const signIn = await app.inject({ method: 'POST', url: '/tokens' })
  const cookieOf = ({ cookies }: { cookies: Array<{ name: string, value: string }> }): string => cookies.map(({ name, value }) => `${name}=${value}`).join()
  const refresh = async () => await app.inject({ method: 'POST', url: '/refresh', headers: { cookie: cookieOf(signIn) } })

  failing.loseAnswers('rotate')
  t.equal((await refresh()).statusCode, 503)
  failing.recover()
  const again = await refresh()
  t.equal(again.statusCode, 200)
  t.not(cookieOf(again), cookieOf(signIn))
})
