import Fastify from 'fastify'
import { join } from 'node:path'
import t from 'tap'
import type { AdminRoutesOptions } from '../../routes/admin.ts'
import adminRoutes from '../../routes/admin.ts'
import { adminToken, asAdmin, startAdministered } from '../helpers/admin.ts'
import { buildApp, createStore, openSession, recordEvents } from '../helpers/build-app.ts'
import { origin, post, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { foreignKey } from '../helpers/foreign-issuer.ts'
import { createOutage } from '../helpers/outage.ts'
import { assertProblem } from '../helpers/problem.ts'

t.test('nothing of the operators is on the public listener', async t => {
  const { url } = await startAdministered(t)

  for (const path of ['/healthz', '/readyz', '/metrics', '/admin/sessions?subject=ada']) {
    await assertProblem(t, await fetch(`${url}${path}`, { headers: asAdmin }), 404, 'PTC_ERR_NOT_FOUND', path)
  }
  await assertProblem(t, await post(`${url}/admin/revocations`, { subject: 'ada' }, asAdmin), 404, 'PTC_ERR_NOT_FOUND')
})

t.test('without the right token nothing is told and nothing done', async t => {
  const { url, admin } = await startAdministered(t)
  const { cookie } = await signIn(url)
  const attempts: Array<[authorization: string | undefined, status: number, code: string]> = [
    [undefined, 401, 'PTC_ERR_CREDENTIALS_MISSING'],
    ['Basic YTpi', 401, 'PTC_ERR_CREDENTIALS_MISSING'],
    ['Bearer', 401, 'PTC_ERR_TOKEN_INVALID'],
    [`Bearer ${adminToken}x`, 401, 'PTC_ERR_TOKEN_INVALID'],
    [`Bearer ${adminToken.slice(0, -1)}`, 401, 'PTC_ERR_TOKEN_INVALID'],
    [`Bearer ${adminToken} x`, 401, 'PTC_ERR_TOKEN_INVALID'],
    [`Bearer ${(await signInForTokens(url)).token}`, 401, 'PTC_ERR_TOKEN_INVALID']
  ]

  for (const [authorization, status, code] of attempts) {
    const headers: Record<string, string> = authorization === undefined ? {} : { authorization }
    const listed = await assertProblem(t, await fetch(`${admin}/admin/sessions?subject=ada`, { headers }), status, code, authorization)
    t.notMatch(listed, adminToken)
    await assertProblem(t, await post(`${admin}/admin/revocations`, { subject: 'ada' }, headers), status, code, authorization)
  }
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 200)
})

t.test('operators see a subject\'s sessions as their owner does', async t => {
  const { url, admin } = await startAdministered(t)
  const [first, second] = [await signIn(url), await signInForTokens(url)]
  await signIn(url, 'bob')
  const events = recordEvents(t)

  const response = await fetch(`${admin}/admin/sessions?subject=ada`, { headers: asAdmin })

  t.equal(response.status, 200)
  t.equal(response.headers.get('cache-control'), 'no-store')
  t.same(events, [{ event: 'sessions.listed', subject: 'ada', ip: '127.0.0.1', by: 'admin', sessions: 2 }])
  const { sessions } = await response.json() as { sessions: Array<Record<string, unknown>> }
  const own = await (await fetch(`${url}/auth/sessions`, { headers: { cookie: first.cookie } })).json() as { sessions: Array<Record<string, unknown>> }
  t.same(sessions.map(({ sid }) => sid).sort(), [first.sid, second.sid].sort())
  t.same(sessions, own.sessions.map(({ current: _, ...session }) => session))
  t.same(await (await fetch(`${admin}/admin/sessions?subject=nobody`, { headers: asAdmin })).json(), { sessions: [] })
})

t.test('a revocation is accepted when it is durable, and holds at once', async t => {
  const { url, admin, store } = await startAdministered(t)
  const [byCookie, byToken, other, bob] = [await signIn(url), await signInForTokens(url), await signInForTokens(url), await signIn(url, 'bob')]
  const statusOf = async (headers: Record<string, string>) => (await fetch(`${url}/auth/session`, { headers })).status
  const { jti } = JSON.parse(Buffer.from(byToken.token.split('.')[1] ?? '', 'base64url').toString()) as { jti: string }
  t.equal(await statusOf({ authorization: `Bearer ${byToken.token}` }), 200)
  const events = recordEvents(t)

  const revoked = await post(`${admin}/admin/revocations`, { sid: byCookie.sid }, asAdmin)
  t.equal(revoked.status, 202)
  t.equal(revoked.headers.get('cache-control'), 'no-store')
  t.equal(await store.read(byCookie.sid), null)
  t.equal(await statusOf({ cookie: byCookie.cookie }), 401)

  t.equal((await post(`${admin}/admin/revocations`, { jti }, asAdmin)).status, 202)
  t.equal(await statusOf({ authorization: `Bearer ${byToken.token}` }), 401)
  t.equal(await statusOf({ authorization: `Bearer ${other.token}` }), 200)
  t.equal((await post(`${admin}/admin/revocations`, { jti: 'j', issuer: origin }, asAdmin)).status, 202)

  t.equal((await post(`${admin}/admin/revocations`, { subject: 'ada' }, asAdmin)).status, 202)
  t.equal(await statusOf({ authorization: `Bearer ${other.token}` }), 401)
  t.equal(await statusOf({ cookie: bob.cookie }), 200)

  t.same(events, [
    { event: 'revocation.added', outcome: 'sid', sid: byCookie.sid, subject: 'ada', ip: '127.0.0.1', by: 'admin', sessions: 1 },
    { event: 'revocation.added', outcome: 'jti', ip: '127.0.0.1', by: 'admin' },
    { event: 'revocation.added', outcome: 'jti', ip: '127.0.0.1', by: 'admin' },
    { event: 'revocation.added', outcome: 'subject', subject: 'ada', ip: '127.0.0.1', by: 'admin', sessions: 2 }
  ])
})

t.test('what is no question and no revocation is refused', async t => {
  const { admin } = await startAdministered(t)
  const sid = 'AAAAAAAAAAAAAAAAAAAAAA'

  for (const path of ['/admin/sessions', '/admin/sessions?subject=']) await assertProblem(t, await fetch(`${admin}${path}`, { headers: asAdmin }), 400, 'PTC_ERR_REQUEST_INVALID', path)
  for (const body of [{}, { sid: 'x' }, { subject: '' }, { jti: 1 }, { sid, subject: 'ada' }, { issuer: 'i' }, { all: true }, [], 'ada', null]) {
    await assertProblem(t, await post(`${admin}/admin/revocations`, body, asAdmin), 400, 'PTC_ERR_REQUEST_INVALID', JSON.stringify(body))
  }
  await assertProblem(t, await post(`${admin}/admin/revocations`, undefined, asAdmin), 400, 'PTC_ERR_REQUEST_INVALID')
  await assertProblem(t, await fetch(`${admin}/admin/revocations`, { method: 'POST', headers: asAdmin, body: `sid=${sid}` }), 415, 'PTC_ERR_MEDIA_TYPE_UNSUPPORTED')
  await assertProblem(t, await fetch(`${admin}/admin/nowhere`, { headers: asAdmin }), 404, 'PTC_ERR_NOT_FOUND')
})

/*
 * Any page that an operator opens can send requests to loopback, and a tool or a proxy may add the token to them. The answer to that
 * is not the token alone.
 */
t.test('a page in an operator\'s browser can neither ask nor revoke, token or not', async t => {
  const { admin } = await startAdministered(t)
  const events = recordEvents(t)

  for (const from of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { origin: 'https://evil.example' }, { origin: 'null' }] as Array<Record<string, string>>) {
    await assertProblem(t, await post(`${admin}/admin/revocations`, { subject: 'ada' }, { ...asAdmin, ...from }), 403, 'PTC_ERR_CSRF_REFUSED', JSON.stringify(from))
    await assertProblem(t, await fetch(`${admin}/admin/sessions?subject=ada`, { headers: { ...asAdmin, ...from } }), 403, 'PTC_ERR_CSRF_REFUSED', JSON.stringify(from))
  }

  t.equal(events.length, 8)
  t.same(events[0], { event: 'csrf.refused', ip: '127.0.0.1', method: 'POST', path: '/admin/revocations', outcome: 'admin' })
})

t.test('without the store nothing is said to be revoked', async t => {
  const outage = createOutage()
  const { admin } = await startAdministered(t, { revocation: { maxStaleness: '200ms' } }, outage)
  t.equal((await fetch(`${admin}/readyz`)).status, 200)
  outage.begin()

  await assertProblem(t, await post(`${admin}/admin/revocations`, { subject: 'ada' }, asAdmin), 503, 'PTC_ERR_STORE_UNAVAILABLE')
  await assertProblem(t, await fetch(`${admin}/admin/sessions?subject=ada`, { headers: asAdmin }), 503, 'PTC_ERR_STORE_UNAVAILABLE')
})

t.test('the token of an issuer that is not known is not revoked in vain', async t => {
  const idp = 'https://idp.example.com'
  const folder = t.testdir({ 'jwks.json': JSON.stringify({ keys: [foreignKey('k1').jwk] }) })
  const { admin } = await startAdministered(t, { issuers: [{ name: 'idp', issuer: idp, jwks: join(folder, 'jwks.json'), algorithms: ['ES256'] }] })

  t.equal((await post(`${admin}/admin/revocations`, { jti: 'j', issuer: idp }, asAdmin)).status, 202)
  const refused = await assertProblem(t, await post(`${admin}/admin/revocations`, { jti: 'j', issuer: 'idp' }, asAdmin), 400, 'PTC_ERR_REQUEST_INVALID')
  t.match(refused, `body.issuer must be the iss of the token: ${origin} or ${idp}`)
})

t.test('an application registers the routes where it likes', async t => {
  const { store } = await createStore(t)
  const app = await buildApp(t, store, {}, async app => { await app.register(adminRoutes, { prefix: '/operators', token: adminToken }) })
  const { sid } = await openSession(app)

  const response = await app.inject({ url: '/operators/sessions?subject=ada', headers: asAdmin })

  t.match(response.json(), { sessions: [{ sid, subject: 'ada' }] })
})

t.test('a token that can be guessed is refused at registration', async t => {
  for (const token of [undefined, '', 'short']) {
    const app = Fastify()
    await t.rejects(async () => { await app.register(adminRoutes, { token } as AdminRoutesOptions) }, { code: 'PTC_ERR_CONFIG_INVALID', message: token === undefined ? 'adminRoutes: token is required' : 'adminRoutes: token must have at least 16 characters' })
  }
})
