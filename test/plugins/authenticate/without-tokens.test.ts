import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import accessToken from '../../../plugins/access-token.ts'
import authenticate from '../../../plugins/authenticate.ts'
import blocklist from '../../../plugins/blocklist.ts'
import cookies from '../../../plugins/cookies.ts'
import errors from '../../../plugins/errors.ts'
import keys from '../../../plugins/keys.ts'
import metrics from '../../../plugins/metrics.ts'
import session from '../../../plugins/session.ts'
import storePlugin from '../../../plugins/store.ts'
import streams from '../../../plugins/streams.ts'
import refreshToken from '../../../plugins/refresh-token.ts'
import authRoutes from '../../../routes/auth.ts'
import { buildApp, createServer, createStore, openFamily, openSession, origin, secret } from '../../helpers/build-app.ts'

/* An application whose users have session cookies alone registers neither signing keys nor access tokens. */

async function build (t: Test): Promise<FastifyInstance> {
  const app = createServer(t)
  await app.register(errors, { origin })
  await app.register(storePlugin, { type: 'custom', store: (await createStore(t)).store })
  await app.register(blocklist)
  await app.register(metrics)
  await app.register(cookies, { origin })
  await app.register(session)
  await app.register(authenticate, { origin })
  await app.register(streams)
  app.post('/login', async (_request, reply) => await reply.openSession({ subject: 'ada', audiences: ['orders', origin] }))
  return app
}

const orders = { audience: 'orders' }

t.test('without access tokens, a session cookie opens routes and is refused after a sign-out', async t => {
  const app = await build(t)
  app.get('/any', { onRequest: app.portcullis.authenticate(orders) }, async ({ identity }) => identity.subject)
  app.get('/session', { onRequest: app.portcullis.authenticate({ ...orders, access: 'session', consistency: 'strict' }) }, async ({ identity }) => identity.subject)
  app.get('/public', { onRequest: app.portcullis.authenticate({ access: 'public' }) }, async ({ identityOrNull }) => ({ subject: identityOrNull?.subject ?? null }))
  const { cookie, sid } = await openSession(app)

  for (const url of ['/any', '/session']) t.equal((await app.inject({ url, headers: { cookie } })).body, 'ada', url)
  t.same((await app.inject({ url: '/public', headers: { cookie } })).json(), { subject: 'ada' })
  await app.portcullis.blocklist.revoke({ sid })
  for (const url of ['/any', '/session']) t.match((await app.inject({ url, headers: { cookie } })).json(), { code: 'PTC_ERR_SESSION_INVALID' }, url)
  t.match(await app.portcullis.metrics.text(), /portcullis_verifications_total\{credential="session"/)
})

t.test('without access tokens, a bearer token is no credential, whoever has signed it', async t => {
  const app = await build(t)
  app.get('/any', { onRequest: app.portcullis.authenticate(orders) }, async ({ identity }) => identity.subject)
  const { token } = await openFamily(await buildApp(t, (await createStore(t)).store))
  const { cookie } = await openSession(app)

  for (const headers of [{}, { authorization: `Bearer ${token}` }]) {
    const response = await app.inject({ url: '/any', headers })
    t.match(response.json(), { code: 'PTC_ERR_CREDENTIALS_MISSING' })
    t.match(response.headers['www-authenticate'], /^Bearer/)
  }
  t.equal((await app.inject({ url: '/any', headers: { cookie, authorization: `Bearer ${token}` } })).body, 'ada')
})

t.test('a demand for access tokens that are not registered throws at once and names the plugin', async t => {
  const { portcullis } = await build(t)
  const expected = { code: 'PTC_ERR_CONFIG_INVALID', message: 'portcullis.authenticate: access: token needs portcullis-access-token; register it before portcullis-authenticate' }

  t.throws(() => portcullis.authenticate({ ...orders, access: 'token' }), expected)
  await t.rejects(portcullis.identify({} as never, { ...orders, access: 'token' }), expected)
})

t.test('access tokens that are registered after authenticate are refused at the start, not ignored', async t => {
  const app = await build(t)
  await app.register(keys, { secret })

  await t.rejects(async () => { await app.register(accessToken, { issuer: origin }) }, { code: 'PTC_ERR_CONFIG_INVALID', message: 'portcullis.accessToken: register its plugin before portcullis-authenticate, which takes no access tokens otherwise' })
})

t.test('a scope that adds access tokens does not inherit an authenticate that takes none', async t => {
  const app = await build(t)
  await app.register(async scope => {
    await scope.register(keys, { secret })
    await scope.register(accessToken, { issuer: origin })
    t.throws(() => scope.portcullis.authenticate, { code: 'PTC_ERR_CONFIG_INVALID', message: /register portcullis-authenticate in this scope too/ })
    await scope.register(authenticate, { origin })
    scope.get('/token', { onRequest: scope.portcullis.authenticate({ ...orders, access: 'token' }) }, async ({ identity }) => identity.subject)
  })
  const { sid } = await openSession(app)
  const record = await app.portcullis.store.read(sid)

  t.throws(() => app.portcullis.authenticate({ ...orders, access: 'token' }), { code: 'PTC_ERR_CONFIG_INVALID' })
  t.equal((await app.inject('/token')).statusCode, 401)
  t.ok(record)
})

t.test('the routes of sign-in sign out a session cookie without access tokens, whatever Authorization says', async t => {
  const app = await build(t)
  await app.register(refreshToken, { secret, accessToken: () => 'of the application' })
  await app.register(authRoutes, { prefix: '/auth', origin, audiences: ['orders'], identity: { verify: async () => ({ subject: 'ada', scopes: [] }) } })
  const { cookie } = await openSession(app)

  t.equal((await app.inject({ url: '/auth/session', headers: { cookie } })).statusCode, 200)
  t.equal((await app.inject({ method: 'POST', url: '/auth/logout', headers: { authorization: 'Bearer a.b.c' } })).statusCode, 204)
  t.equal((await app.inject({ method: 'POST', url: '/auth/logout', headers: { cookie } })).statusCode, 204)
  t.equal((await app.inject({ url: '/auth/session', headers: { cookie } })).statusCode, 401)
})
