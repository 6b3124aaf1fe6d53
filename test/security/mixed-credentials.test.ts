import { CookieJar } from 'tough-cookie'
import t from 'tap'
import { origin, password, post, setCookies, signIn, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { assertProblem } from '../helpers/problem.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

/*
 * One browser carries two credentials that belong to two people, or one credential in the place of another: a session cookie with
 * somebody else's refresh cookie, a refresh token where a session cookie is read. A gateway that takes the subject from one and the
 * permission from the other, or that accepts either anywhere, lets the holder of the weaker one act as the other.
 */

async function signInBoth (gateway: TestGateway) {
  const [ada, bob] = [await signIn(gateway.url, 'ada'), await signInForTokens(gateway.url, 'bob')]
  const state = async () => JSON.stringify([await gateway.store.read(ada.sid), await gateway.store.read(bob.sid), (await takeSnapshot(gateway.store)).revocations])
  return { ada, bob, mixed: `${ada.cookie}; ${bob.cookie}`, state }
}

const subjectOf = async (response: Response) => (await response.json() as { session: { subject: string } }).session.subject

t.test('each route goes by one credential alone, whoever\'s the other one is', async t => {
  const gateway = await startGateway(t)
  const { url, orders } = gateway
  const { bob, mixed } = await signInBoth(gateway)

  t.equal(await subjectOf(await fetch(`${url}/auth/session`, { headers: { cookie: mixed } })), 'ada')
  const { sessions } = await (await fetch(`${url}/auth/sessions`, { headers: { cookie: mixed } })).json() as { sessions: Array<{ subject: string }> }
  t.same([...new Set(sessions.map(({ subject }) => subject))], ['ada'])
  await fetch(`${url}/orders`, { headers: { cookie: mixed } })
  t.match(Buffer.from(orders.requests[0]!.headers.authorization!.split('.')[1]!, 'base64url').toString(), /"sub":"ada"/)
  t.equal(orders.requests[0]!.headers.cookie, undefined)

  const refreshed = await post(`${url}/auth/refresh`, undefined, { cookie: mixed })
  t.equal(await subjectOf(refreshed), 'bob')
  t.same(Object.keys(setCookies(refreshed)), ['__Secure-portcullis-refresh'], 'the session cookie is not touched')
  await assertProblem(t, await fetch(`${url}/auth/sessions/${bob.sid}`, { method: 'DELETE', headers: { cookie: mixed } }), 404, 'PTC_ERR_SESSION_NOT_FOUND')
})

t.test('a step-up proves the password of the session that it renews, and renews no other', async t => {
  const gateway = await startGateway(t, { identity: async ({ username, password: given }: { username: string, password: string }) => given === `${password} of ${username}` || given === password ? { subject: username, scopes: [] } : null })
  const { url } = gateway
  const { bob, mixed, state } = await signInBoth(gateway)
  const before = await state()

  await assertProblem(t, await post(`${url}/auth/step-up`, { password: `${password} of bob` }, { cookie: mixed }), 401, 'PTC_ERR_LOGIN_REFUSED')
  t.equal(await state(), before)

  const bobBefore = JSON.stringify(await gateway.store.read(bob.sid))
  const renewed = await post(`${url}/auth/step-up`, { password: `${password} of ada` }, { cookie: mixed })
  t.equal(await subjectOf(renewed), 'ada')
  t.same(Object.keys(setCookies(renewed)), ['__Host-Http-portcullis'])
  t.equal(JSON.stringify(await gateway.store.read(bob.sid)), bobBefore)
})

t.test('a cookie and an access token at once are refused wherever a credential is demanded, and nothing changes', async t => {
  const gateway = await startGateway(t)
  const { url, orders } = gateway
  const { ada, bob, state } = await signInBoth(gateway)
  const headers = { cookie: ada.cookie, authorization: `Bearer ${bob.token}` }
  const before = await state()

  for (const [method, path] of [['GET', '/orders'], ['POST', '/orders'], ['GET', '/auth/session'], ['GET', '/auth/sessions'], ['DELETE', `/auth/sessions/${ada.sid}`], ['POST', '/auth/logout']] as const) {
    await assertProblem(t, await fetch(`${url}${path}`, { method, headers }), 400, 'PTC_ERR_CREDENTIALS_AMBIGUOUS', `${method} ${path}`)
  }
  t.same(orders.requests, [])
  t.equal(await state(), before)
})

t.test('no credential is good in the place of another', async t => {
  const gateway = await startGateway(t)
  const { url, orders } = gateway
  const { ada, bob, state } = await signInBoth(gateway)
  const [session = '', refresh = ''] = [ada.cookie, bob.cookie].map(pair => pair.slice(pair.indexOf('=') + 1))
  const before = await state()

  for (const value of [refresh, bob.token, `${bob.sid}.${refresh}`, `${bob.sid}.${refresh.slice(-43)}`]) {
    for (const path of ['/orders', '/auth/session']) await assertProblem(t, await fetch(`${url}${path}`, { headers: { cookie: `__Host-Http-portcullis=${value}` } }), 401, 'PTC_ERR_SESSION_INVALID', path)
  }
  for (const value of [session, bob.token, session.split('.')[1]!]) await assertProblem(t, await post(`${url}/auth/refresh`, undefined, { cookie: `__Secure-portcullis-refresh=${value}` }), 401, 'PTC_ERR_REFRESH_REFUSED')
  for (const value of [session, refresh]) await assertProblem(t, await fetch(`${url}/orders`, { headers: { authorization: `Bearer ${value}` } }), 401, 'PTC_ERR_TOKEN_INVALID')
  t.same(orders.requests, [])
  t.equal(await state(), before)
})

t.test('a refresh cookie is sent to the routes that read it alone, and opens nothing where it is sent nevertheless', async t => {
  const gateway = await startGateway(t)
  const { url, orders } = gateway
  const response = await post(`${url}/auth/login`, { username: 'ada', password, mode: 'tokens' })
  const jar = new CookieJar(undefined, { prefixSecurity: 'strict' })
  for (const line of response.headers.getSetCookie()) await jar.setCookie(line, `${origin}/auth/login`)
  const [name, value] = Object.entries(setCookies(response))[0]!
  const cookie = `${name}=${value}`

  for (const path of ['/', '/orders', '/orders/auth', '/authentic', '/.well-known/jwks.json']) t.equal(await jar.getCookieString(`${origin}${path}`), '', path)
  for (const path of ['/auth/refresh', '/auth/step-up', '/auth/logout']) t.equal(await jar.getCookieString(`${origin}${path}`), cookie, path)
  for (const path of ['/orders', '/auth/session', '/auth/sessions']) await assertProblem(t, await fetch(`${url}${path}`, { headers: { cookie } }), 401, 'PTC_ERR_CREDENTIALS_MISSING', path)
  t.same(orders.requests, [])
})
