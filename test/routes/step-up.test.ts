import t, { type Test } from 'tap'
import { origin, password, post, setCookies, signIn, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { attributesOf, claimsOf, refreshAttributes, sessionAttributes, type SignInAnswer } from '../helpers/credentials.ts'
import { assertProblem } from '../helpers/problem.ts'
import { startUpstream } from '../helpers/upstream.ts'

const sessionName = '__Host-Http-portcullis'
const refreshName = '__Secure-portcullis-refresh'

const minute = 60_000

async function stepUp ({ url }: TestGateway, cookie: string, body: unknown = { password }): Promise<Response> {
  return await post(`${url}/auth/step-up`, body, { cookie })
}

async function startWithDemand (t: Test): Promise<TestGateway> {
  const upstream = await startUpstream(t)
  return await startGateway(t, { upstreams: [{ prefix: '/orders', target: upstream.url, audience: 'orders', stepUp: { maxAge: '5m', methods: ['POST'] } }] })
}

t.test('a step-up renews the session cookie, and the old one is dead at once', async t => {
  const gateway = await startWithDemand(t)
  const { cookie, sid } = await signIn(gateway.url)
  gateway.advance(10 * minute)
  await assertProblem(t, await post(`${gateway.url}/orders`, {}, { cookie }), 401, 'PTC_ERR_STEP_UP_REQUIRED')

  const response = await stepUp(gateway, cookie)

  t.equal(response.status, 200)
  t.equal(response.headers.get('cache-control'), 'no-store')
  t.same(response.headers.getSetCookie().map(attributesOf), [sessionAttributes])
  const { session } = await response.json() as SignInAnswer
  t.match(session, { sid, subject: 'ada', acr: '1', amr: ['pwd'] })
  t.ok(session.auth_time - session.created_at >= 600)
  const renewed = `${sessionName}=${setCookies(response)[sessionName] ?? ''}`
  t.not(renewed, cookie)
  t.equal((await post(`${gateway.url}/orders`, {}, { cookie: renewed })).status, 200)
  await assertProblem(t, await fetch(`${gateway.url}/orders`, { headers: { cookie } }), 401, 'PTC_ERR_SESSION_INVALID')
})

t.test('a step-up beside a session cookie under the former name ends that session, because its cookie is deleted', async t => {
  const { url, store } = await startGateway(t)
  const [present, former] = [await signIn(url), await signIn(url)]
  const cookie = `${former.cookie.replace('__Host-Http-', '__Host-')}; ${present.cookie}`

  t.equal((await post(`${url}/auth/step-up`, { password: 'wrong' }, { cookie })).status, 401)
  t.match(await store.read(former.sid), { sid: former.sid })
  const response = await post(`${url}/auth/step-up`, { password }, { cookie })
  t.equal(response.status, 200)
  t.match(response.headers.getSetCookie(), [new RegExp(`^__Host-Http-portcullis=${present.sid}\\.`), /^__Host-portcullis=; Max-Age=0/])
  t.equal(await store.read(former.sid), null)
})

t.test('a step-up in tokens mode is a rotation, and only what it answers has the fresh auth_time', async t => {
  const gateway = await startWithDemand(t)
  const { cookie, token } = await signInForTokens(gateway.url)
  gateway.advance(10 * minute)
  const headers = { authorization: `Bearer ${token}` }
  const refused = await post(`${gateway.url}/orders`, {}, headers)
  t.equal(refused.headers.get('www-authenticate'), 'Bearer error="insufficient_user_authentication", max_age="300"')

  const response = await stepUp(gateway, cookie)

  t.equal(response.status, 200)
  t.same(response.headers.getSetCookie().map(attributesOf), [refreshAttributes])
  const answer = await response.json() as SignInAnswer
  const [before, after] = [claimsOf(token), claimsOf(answer.access_token)]
  t.ok(Number(after['auth_time']) - Number(before['auth_time']) >= 600)
  t.equal(after['gen'], 2)
  t.equal((await post(`${gateway.url}/orders`, {}, { authorization: `Bearer ${answer.access_token ?? ''}` })).status, 200)
  await assertProblem(t, await post(`${gateway.url}/orders`, {}, headers), 401, 'PTC_ERR_STEP_UP_REQUIRED')

  const next = `${refreshName}=${setCookies(response)[refreshName] ?? ''}`
  const refreshed = await (await post(`${gateway.url}/auth/refresh`, undefined, { cookie: next })).json() as SignInAnswer
  t.equal(claimsOf(refreshed.access_token)['auth_time'], after['auth_time'])
})

t.test('a wrong password changes nothing', async t => {
  const gateway = await startGateway(t)
  for (const { cookie } of [await signIn(gateway.url), await signInForTokens(gateway.url)]) {
    const response = await stepUp(gateway, cookie, { password: 'wrong' })
    t.same(response.headers.getSetCookie(), [])
    await assertProblem(t, response, 401, 'PTC_ERR_LOGIN_REFUSED')
    const url = cookie.startsWith(refreshName) ? '/auth/refresh' : '/auth/logout'
    t.ok((await post(`${gateway.url}${url}`, undefined, { cookie })).ok)
  }
})

t.test('the password of another subject is a wrong one', async t => {
  const gateway = await startGateway(t, { identity: async credentials => ({ subject: credentials.password === 'of bob' ? 'bob' : 'ada' }) })
  const { cookie } = await signIn(gateway.url)

  await assertProblem(t, await stepUp(gateway, cookie, { password: 'of bob' }), 401, 'PTC_ERR_LOGIN_REFUSED')
  t.equal((await stepUp(gateway, cookie, { password: 'of ada' })).status, 200)
})

t.test('it is the name of the sign-in whose password is asked for, not the subject', async t => {
  const asked: string[] = []
  const gateway = await startGateway(t, { identity: async ({ username }) => { asked.push(username); return { subject: 'id-42' } } })
  const { cookie } = await signIn(gateway.url, 'ada@example.com')
  const tokens = await signInForTokens(gateway.url, 'ada@example.com')

  t.equal((await stepUp(gateway, cookie)).status, 200)
  t.equal((await stepUp(gateway, tokens.cookie)).status, 200)
  t.same(new Set(asked), new Set(['ada@example.com']))
})

t.test('what is not a live cookie of ours is refused by its own code', async t => {
  const gateway = await startGateway(t)
  const { cookie, sid } = await signIn(gateway.url)
  const tokens = await signInForTokens(gateway.url)
  await post(`${gateway.url}/auth/logout`, undefined, { cookie })
  await post(`${gateway.url}/auth/logout`, undefined, { cookie: tokens.cookie })

  await assertProblem(t, await stepUp(gateway, cookie), 401, 'PTC_ERR_SESSION_INVALID')
  await assertProblem(t, await stepUp(gateway, `${sessionName}=${sid}.${'A'.repeat(43)}`), 401, 'PTC_ERR_SESSION_INVALID')
  await assertProblem(t, await stepUp(gateway, tokens.cookie), 401, 'PTC_ERR_REFRESH_REFUSED')
  await assertProblem(t, await stepUp(gateway, `${refreshName}=garbage`), 401, 'PTC_ERR_REFRESH_REFUSED')
  await assertProblem(t, await stepUp(gateway, ''), 401, 'PTC_ERR_CREDENTIALS_MISSING')
  await assertProblem(t, await post(`${gateway.url}/auth/step-up`, { password }, { authorization: `Bearer ${tokens.token}` }), 401, 'PTC_ERR_CREDENTIALS_MISSING')
})

t.test('a refresh token that was used before is theft at a step-up too', async t => {
  const gateway = await startGateway(t, { refreshToken: { overlap: '0s', retryWindow: '0s' } })
  const { cookie } = await signInForTokens(gateway.url)
  const next = await stepUp(gateway, cookie)

  await assertProblem(t, await stepUp(gateway, cookie), 401, 'PTC_ERR_REFRESH_REFUSED')
  await assertProblem(t, await stepUp(gateway, `${refreshName}=${setCookies(next)[refreshName] ?? ''}`), 401, 'PTC_ERR_REFRESH_REFUSED')
})

t.test('another site cannot make a browser step up, and only JSON is read', async t => {
  const gateway = await startGateway(t)
  const { cookie } = await signIn(gateway.url)

  for (const headers of [{ 'sec-fetch-site': 'cross-site' }, { 'sec-fetch-site': 'same-site' }, { origin: 'https://evil.example' }] as Array<Record<string, string>>) {
    await assertProblem(t, await post(`${gateway.url}/auth/step-up`, { password }, { cookie, ...headers }), 403, 'PTC_ERR_CSRF_REFUSED')
  }
  t.equal((await post(`${gateway.url}/auth/step-up`, { password }, { cookie, origin })).status, 200)
  await assertProblem(t, await fetch(`${gateway.url}/auth/step-up`, { method: 'POST', headers: { cookie }, body: new URLSearchParams({ password }) }), 415, 'PTC_ERR_MEDIA_TYPE_UNSUPPORTED')
  for (const body of [{}, { password: '' }, { password: 1 }, { password, more: true }, []]) await assertProblem(t, await stepUp(gateway, cookie, body), 400, 'PTC_ERR_REQUEST_INVALID')
})

t.test('guesses at a step-up use up the budget of the account, sign-in included', async t => {
  const gateway = await startGateway(t, { rateLimit: { signIn: { max: 3, window: '1h' } } })
  const { cookie } = await signIn(gateway.url)

  for (let guess = 0; guess < 3; guess++) await assertProblem(t, await stepUp(gateway, cookie, { password: 'wrong' }), 401, 'PTC_ERR_LOGIN_REFUSED')

  await assertProblem(t, await stepUp(gateway, cookie), 429, 'PTC_ERR_RATE_LIMITED')
  await assertProblem(t, await post(`${gateway.url}/auth/login`, { username: 'ada', password }), 429, 'PTC_ERR_RATE_LIMITED')
  t.equal((await post(`${gateway.url}/auth/login`, { username: 'bob', password })).status, 200)
})
