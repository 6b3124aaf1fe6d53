import Fastify from 'fastify'
import t from 'tap'
import deviceBound from '../../plugins/device-bound.ts'
import deviceRoutes from '../../routes/device.ts'
import { buildApp, cookieOf, createStore, openSession, origin, secret, sessionCookieName, until } from '../helpers/build-app.ts'
import { post, startGateway } from '../helpers/build-gateway.ts'
import { challengeOf, createDevice, deviceCookieName, deviceCookieOf, refresh, register, signInBound, signInToBind } from '../helpers/device.ts'
import { assertProblem } from '../helpers/problem.ts'
import { startRedisGateways } from '../helpers/redis-gateways.ts'
import { connectAdmin, startRedis } from '../helpers/redis-server.ts'

t.test('an application of its own binds sessions under a path of its own', async t => {
  const { store, advance } = await createStore(t)
  const app = await buildApp(t, store, {}, async app => {
    await app.register(deviceBound, { origin, secret, cookieTtl: '2m', path: '/me/device' })
    await app.register(deviceRoutes, { prefix: '/me/device' })
    app.get('/orders', { onRequest: app.portcullis.authenticate({ audience: 'orders' }) }, async request => request.identity.subject)
  })
  const device = createDevice()
  const login = await app.inject({ method: 'POST', url: '/login' })
  const [, challenge = ''] = /^\(ES256\);path="\/me\/device\/register";challenge="([^"]+)"$/.exec(String(login.headers['secure-session-registration'])) ?? []
  const cookie = cookieOf(login, sessionCookieName) ?? ''

  const registered = await app.inject({ method: 'POST', url: '/me/device/register', headers: { cookie, 'secure-session-response': device.register(challenge) } })

  t.match(registered.json(), { refresh_url: '/me/device/refresh', scope: { origin } })
  t.match(registered.cookies, [{ name: deviceCookieName, maxAge: 110, httpOnly: true, secure: true, path: '/', sameSite: 'Lax' }])
  const both = `${cookie}; ${cookieOf(registered, deviceCookieName) ?? ''}`
  t.equal((await app.inject({ url: '/orders', headers: { cookie: both } })).statusCode, 200)
  t.equal((await app.inject({ url: '/orders', headers: { cookie } })).statusCode, 401)
  t.equal((await openSession(app)).cookie.startsWith(sessionCookieName), true)
  advance(120_000)
  t.equal((await app.inject({ url: '/orders', headers: { cookie: both } })).statusCode, 401)
})

t.test('without the request a bound session is not resolved', async t => {
  const { store } = await createStore(t)
  const app = await buildApp(t, store, {}, async app => { await app.register(deviceBound, { origin, secret }) })
  const { cookie, sid } = await openSession(app)
  const value = cookie.slice(sessionCookieName.length + 1)
  t.match(await app.portcullis.session.resolve(value, true), { sid })
  await store.bindDevice(sid, { publicKey: 'A'.repeat(86) })
  await store.renewDevice(sid, 0)
  app.portcullis.blocklist.note({ kind: 'changed', sid })

  await t.rejects(async () => await app.portcullis.session.resolve(value, true), { code: 'PTC_ERR_SESSION_INVALID' })
  await t.rejects(app.portcullis.session.resolveInStore(value, true), { code: 'PTC_ERR_SESSION_INVALID' })
})

t.test('the cookie is kept a little shorter than it is good, so that a request under way is not refused', async t => {
  for (const [cookieTtl, maxAge] of [['1h', 3590], ['5m', 290], ['50s', 40], ['10s', 8], ['1s', 1]] as const) {
    const { url } = await startGateway(t, { session: { deviceBound: { cookieTtl } }, cookies: { sameSite: 'strict' } })
    const { cookie, challenge } = await signInToBind(url)
    const response = await register(url, cookie, createDevice().register(challenge))
    t.match(response.headers.getSetCookie()[0], new RegExp(`; Max-Age=${maxAge};.* SameSite=Strict`))
    t.match(await response.json(), { credentials: [{ attributes: 'Path=/; HttpOnly; Secure; SameSite=Strict' }] })
  }
})

t.test('on http://localhost the cookie has no prefix', async t => {
  const { url, app } = await startGateway(t, { origin: 'http://localhost:8080', session: { deviceBound: {} } })
  const device = createDevice()
  const login = await post(`${url}/auth/login`, { username: 'ada', password: 'correct horse' })
  const cookie = login.headers.getSetCookie()[0]!.split(';')[0]!

  const response = await register(url, cookie, device.register(challengeOf(login)))

  const [line = ''] = response.headers.getSetCookie()
  t.match(line, /^portcullis-device=[^;]+; Max-Age=290; Path=\/; HttpOnly; SameSite=Lax$/)
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie: `${cookie}; ${line.split(';')[0]!}` } })).status, 200)
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 401)
  t.same(app.portcullis.cookies.describe('device'), { name: 'portcullis-device', attributes: 'Path=/; HttpOnly; SameSite=Lax' })
})

t.test('what browsers do not bear is warned of at the start', async t => {
  const { store } = await createStore(t)
  for (const [options, warning] of [
    [{ origin: 'http://localhost:8080' }, /^no browser will bind a session to its device, because origin is http:\/\/localhost:8080/],
    [{ cookieTtl: '239s' }, /because cookieTtl is below 4m/],
    [{ cookieTtl: '4m' }, null]
  ] as const) {
    const warnings: string[] = []
    await buildApp(t, store, {}, async app => {
      app.log.warn = (text: unknown) => { warnings.push(String(text)) }
      await app.register(deviceBound, Object.assign({ origin, secret }, options))
    })

    t.equal(warnings.length, warning === null ? 0 : 1)
    if (warning !== null) t.match(warnings[0], warning)
  }
})

t.test('two gateways on one Redis share bindings and proofs; Redis away, or full, ends nothing', async t => {
  const redis = await startRedis(t)
  const gateways = await startRedisGateways(t, redis, 2, { session: { deviceBound: {} }, store: { type: 'redis', url: redis.url, timeout: '500ms' } })
  const [one, two] = [gateways[0]!, gateways[1]!]
  const { cookie, sid, challenge } = await signInToBind(one.url)
  const device = createDevice()
  t.equal((await fetch(`${two.url}/orders`, { headers: { cookie } })).status, 200, 'remembered there as unbound')

  const registered = await register(one.url, cookie, device.register(challenge))
  const both = `${cookie}; ${deviceCookieOf(registered)}`
  t.equal((await fetch(`${one.url}/orders`, { headers: { cookie: both } })).status, 200)
  await until(async () => (await fetch(`${two.url}/orders`, { headers: { cookie } })).status === 401)
  t.equal((await fetch(`${two.url}/orders`, { headers: { cookie: both } })).status, 200)
  await assertProblem(t, await register(two.url, cookie, createDevice().register(challenge)), 403, 'PTC_ERR_DEVICE_PROOF_REQUIRED')

  const proof = device.refresh(challengeOf(registered))
  const answers = await Promise.all(Array.from({ length: 10 }, async (_, index) => await refresh([one, two][index % 2]!.url, cookie, sid, proof)))
  t.same(answers.map(({ status }) => status).sort(), [200, ...Array<number>(9).fill(403)])
  const next = challengeOf(answers.find(({ status }) => status === 200)!)

  redis.pause()
  await assertProblem(t, await refresh(two.url, cookie, sid, device.refresh(next)), 503, 'PTC_ERR_STORE_UNAVAILABLE')
  redis.resume()
  await until(async () => {
    const challenged = await refresh(two.url, cookie, sid)
    return challenged.status === 403 && (await refresh(one.url, cookie, sid, device.refresh(challengeOf(challenged)))).status === 200
  })
  t.equal((await fetch(`${one.url}/orders`, { headers: { cookie: both } })).status, 200)

  const late = await signInToBind(two.url)
  const admin = await connectAdmin(t, redis)
  await admin.config('SET', 'maxmemory', '1')
  await assertProblem(t, await register(two.url, late.cookie, createDevice().register(late.challenge)), 503, 'PTC_ERR_STORE_UNAVAILABLE', 'a full store begins nothing new')
  const again = challengeOf(await refresh(two.url, cookie, sid))
  t.equal((await refresh(one.url, cookie, sid, device.refresh(again))).status, 200, 'and keeps who is bound')
  await admin.config('SET', 'maxmemory', '0')
  t.ok((await signInBound(two.url)).deviceCookie)
})

t.test('a device cookie that browsers would renew too often is warned of', async t => {
  for (const [cookieTtl, isWarnedOf] of [['3m', true], ['239s', true], ['4m', false], ['1h', false]] as const) {
    const { store } = await createStore(t)
    const warnings: unknown[] = []
    await buildApp(t, store, {}, async app => {
      app.log.warn = ((warning: unknown) => { warnings.push(warning) }) as typeof app.log.warn
      await app.register(deviceBound, { origin, secret, cookieTtl })
    })
    t.equal(warnings.some(warning => /cookieTtl is below 4m/.test(String(warning))), isWarnedOf, cookieTtl)
  }
})

t.test('it does not boot without what it needs, nor with options that make no sense', async t => {
  const alone = Fastify()
  t.teardown(() => alone.close())
  await t.rejects(async () => { await alone.register(deviceBound, { origin, secret }) }, { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' })

  const { store } = await createStore(t)
  for (const [options, message] of [
    [{ secret }, 'portcullis-device-bound: origin is required'],
    [{ origin, secret: 'short' }, /^portcullis-device-bound: secret must have at least 32 bytes/],
    [{ origin, secret, cookieTtl: '500ms' }, 'portcullis-device-bound: cookieTtl must be from 1s to 1h'],
    [{ origin, secret, cookieTtl: '2h' }, 'portcullis-device-bound: cookieTtl must be from 1s to 1h'],
    [{ origin, secret, path: 'device' }, 'portcullis-device-bound: path must be a path such as /auth/device'],
    [{ origin, secret, path: '/a"b' }, 'portcullis-device-bound: path must be a path such as /auth/device'],
    [{ origin, secret, ttl: 1 }, 'portcullis-device-bound: ttl is not an option']
  ] as const) {
    await t.rejects(buildApp(t, store, {}, async app => { await app.register(deviceBound, options as never) }), { code: 'PTC_ERR_CONFIG_INVALID', message })
  }
})
