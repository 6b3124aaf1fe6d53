import { randomBytes } from 'node:crypto'
import t from 'tap'
import { origin, post, setCookies, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { attributesOf, claimsOf, refreshAttributes, tokensMembers, type SignInAnswer } from '../helpers/credentials.ts'
import { assertProblem } from '../helpers/problem.ts'

const name = '__Secure-portcullis-refresh'

async function refresh (url: string, cookie: string, body?: object): Promise<Response> {
  return await post(`${url}/auth/refresh`, body, { cookie })
}

/** Refreshes, which has to succeed with a new cookie; resolves to the Cookie header to send next. */
async function advanceFamily (url: string, cookie: string): Promise<string> {
  const response = await refresh(url, cookie)
  await response.text()
  return `${name}=${setCookies(response)[name] ?? 'none'}`
}

t.test('a refresh answers a new access token and rotates the cookie', async t => {
  const { url, advance } = await startGateway(t)
  const { cookie, token, sid } = await signInForTokens(url)
  advance(60_000)

  const response = await refresh(url, cookie)

  t.equal(response.status, 200)
  t.equal(response.headers.get('cache-control'), 'no-store')
  const answer = await response.json() as SignInAnswer
  t.same(Object.keys(answer).sort(), tokensMembers)
  t.match(answer, { token_type: 'Bearer', expires_in: 600, session: { sid, subject: 'ada' } })
  t.ok(answer.refresh_in! >= 1 && answer.refresh_in! < 600)
  const [before, after] = [claimsOf(token), claimsOf(answer.access_token)]
  t.match(after, { sub: 'ada', sid, aud: ['orders', 'billing', origin], scope: before['scope'], gen: 2 })
  t.not(after['jti'], before['jti'])
  const lines = response.headers.getSetCookie()
  t.equal(lines.length, 1)
  t.same(attributesOf(lines[0]), refreshAttributes)
  t.not(`${name}=${setCookies(response)[name] ?? ''}`, cookie)
})

t.test('refreshing moves the idle time, and neither auth_time nor the absolute end', async t => {
  const { url, advance } = await startGateway(t)
  let { cookie, token } = await signInForTokens(url)
  const first = await (await fetch(`${url}/auth/session`, { headers: { authorization: `Bearer ${token}` } })).json() as SignInAnswer

  let last: SignInAnswer = first
  for (let round = 0; round < 3; round++) {
    advance(20 * 60_000)
    const response = await refresh(url, cookie)
    last = await response.json() as SignInAnswer
    cookie = `${name}=${setCookies(response)[name] ?? ''}`
    token = last.access_token ?? ''
  }

  t.equal(last.session.auth_time, first.session.auth_time)
  t.equal(last.session.expires_at, first.session.expires_at)
  t.equal(claimsOf(token)['auth_time'], first.session.auth_time)
  t.ok(last.session.idle_expires_at - first.session.idle_expires_at >= 58 * 60)
})

t.test('the audiences of a refresh are a subset of those of the sign-in, and all of them by default', async t => {
  const { url } = await startGateway(t)
  let { cookie } = await signInForTokens(url, 'ada', ['orders', 'origin'])

  for (const [asked, granted] of [
    [undefined, ['orders', origin]],
    [['orders'], ['orders']],
    [['origin'], [origin]],
    [[origin, 'orders'], [origin, 'orders']],
    [undefined, ['orders', origin]]
  ] as const) {
    const response = await refresh(url, cookie, asked === undefined ? {} : { audience: asked })
    t.same(claimsOf((await response.json() as SignInAnswer).access_token)['aud'], granted)
    cookie = `${name}=${setCookies(response)[name] ?? ''}`
  }
})

t.test('more audiences than the sign-in gave are refused, and the refresh token is not lost', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signInForTokens(url, 'ada', ['orders'])

  for (const audience of [['billing'], ['orders', 'billing'], ['origin'], [origin], ['unknown']]) {
    const response = await refresh(url, cookie, { audience })
    t.same(response.headers.getSetCookie(), [])
    await assertProblem(t, response, 400, 'PTC_ERR_AUDIENCE_UNKNOWN')
  }

  const response = await refresh(url, cookie, { audience: ['orders'] })
  t.equal(response.status, 200)
  t.equal(claimsOf((await response.json() as SignInAnswer).access_token)['gen'], 2)
})

t.test('a body that is not the documented one is refused, and the refresh token is not lost', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signInForTokens(url)

  for (const body of [{ zebra: 1 }, { audience: [] }, { audience: 'orders' }, { audience: null }, [], 'zebra', 1, { refresh_token: 'zebra' }]) {
    const response = await refresh(url, cookie, body as object)
    t.same(response.headers.getSetCookie(), [])
    t.notMatch(await assertProblem(t, response, 400, 'PTC_ERR_REQUEST_INVALID'), /zebra/)
  }
  for (const type of ['application/x-www-form-urlencoded', 'text/plain']) {
    await assertProblem(t, await fetch(`${url}/auth/refresh`, { method: 'POST', headers: { cookie, 'content-type': type }, body: '{}' }), 415, 'PTC_ERR_MEDIA_TYPE_UNSUPPORTED')
  }
  t.equal(claimsOf((await (await refresh(url, cookie)).json() as SignInAnswer).access_token)['gen'], 2)
})

t.test('a lost answer is made up for: the retry gets the same refresh token', async t => {
  const { url, advance } = await startGateway(t)
  const { cookie } = await signInForTokens(url)

  const lost = await advanceFamily(url, cookie)
  advance(25 * 60_000)
  const retried = await advanceFamily(url, cookie)

  t.equal(retried, lost)
  t.equal((await refresh(url, retried)).status, 200)
})

t.test('many tabs that refresh at once all stay signed in, with one family', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signInForTokens(url)

  const responses = await Promise.all(Array.from({ length: 20 }, async () => await refresh(url, cookie)))

  t.same(responses.map(({ status }) => status), Array(20).fill(200))
  const next = new Set(responses.map(response => setCookies(response)[name]))
  t.equal(next.size, 1)
  t.equal((await refresh(url, `${name}=${[...next][0] ?? ''}`)).status, 200)
})

t.test('on hold the newest refresh token is answered without a cookie', async t => {
  const { url, advance } = await startGateway(t)
  const { cookie: first } = await signInForTokens(url)
  const second = await advanceFamily(url, first)
  const third = await advanceFamily(url, second)
  t.equal(await advanceFamily(url, first), third, 'a late tab')

  const held = await refresh(url, third)

  t.equal(held.status, 200)
  t.same(held.headers.getSetCookie(), [])
  t.same(Object.keys(await held.json() as object).sort(), tokensMembers)
  advance(11_000)
  t.match((await refresh(url, third)).headers.getSetCookie(), [/^__Secure-portcullis-refresh=[\w-]{75};/])
})

t.test('a refresh token that was used long ago revokes the session and its access tokens', async t => {
  const { url, advance } = await startGateway(t)
  const { cookie: first, token } = await signInForTokens(url)
  const other = await signInForTokens(url)
  const second = await advanceFamily(url, first)
  const third = await advanceFamily(url, second)
  t.equal((await fetch(`${url}/orders`, { headers: { authorization: `Bearer ${token}` } })).status, 200)
  advance(11_000)

  await assertProblem(t, await refresh(url, first), 401, 'PTC_ERR_REFRESH_REFUSED')

  await assertProblem(t, await refresh(url, third), 401, 'PTC_ERR_REFRESH_REFUSED')
  await assertProblem(t, await fetch(`${url}/orders`, { headers: { authorization: `Bearer ${token}` } }), 401, 'PTC_ERR_TOKEN_INVALID')
  t.equal((await refresh(url, other.cookie)).status, 200, 'the other session of the subject lives')
})

t.test('with both windows at 0s every refresh token is good once', async t => {
  const { url } = await startGateway(t, { refreshToken: { overlap: '0s', retryWindow: '0s' } })
  const { cookie: first } = await signInForTokens(url)
  const second = await advanceFamily(url, first)

  t.equal((await refresh(url, first)).status, 401)
  t.equal((await refresh(url, second)).status, 401)
})

t.test('unknown, expired, reused, forged and missing refresh tokens are told apart by nothing', async t => {
  const gateway = await startGateway(t)
  const { url, advance } = gateway
  const idle = await signInForTokens(url, 'idle')
  advance(31 * 60_000)
  const reused = await signInForTokens(url, 'reused')
  await advanceFamily(url, await advanceFamily(url, reused.cookie))
  advance(11_000)
  const closed = await signInForTokens(url, 'closed')
  await post(`${url}/auth/logout`, undefined, { cookie: closed.cookie })
  const cut = await signInForTokens(url, 'cut')
  await gateway.app.portcullis.blocklist.revoke({ subject: 'cut' })
  const { cookie: good } = await signInForTokens(url)
  const forged = good.slice(0, -1) + (good.endsWith('A') ? 'B' : 'A')
  const { cookie: session } = await signIn(url)

  const answers = new Set<string>()
  for (const [what, headers] of Object.entries({
    idle: { cookie: idle.cookie },
    reused: { cookie: reused.cookie },
    closed: { cookie: closed.cookie },
    cut: { cookie: cut.cookie },
    forged: { cookie: forged },
    malformed: { cookie: `${name}=zebra` },
    empty: { cookie: `${name}=` },
    missing: { cookie: 'a=b' },
    'a session cookie': { cookie: session },
    'a bearer token': { cookie: 'a=b', authorization: `Bearer ${cut.token}` },
    'a session cookie by that name': { cookie: session.replace('__Host-Http-portcullis', name) },
    'an access token by that name': { cookie: `${name}=${cut.token}` }
  })) {
    const response = await post(`${url}/auth/refresh`, undefined, headers)
    t.same(response.headers.getSetCookie(), [], what)
    t.notOk(response.headers.has('clear-site-data'), what)
    answers.add(`${response.headers.get('www-authenticate') ?? ''} ${await assertProblem(t, response, 401, 'PTC_ERR_REFRESH_REFUSED', what)}`)
  }
  t.equal(answers.size, 1)
  t.equal((await refresh(url, good)).status, 200, 'a forgery costs the owner nothing')
})

t.test('a session ends at its absolute timeout, however often it is refreshed', async t => {
  const { url, advance } = await startGateway(t, { session: { idleTimeout: '30m', absoluteTimeout: '1h' } })
  let { cookie } = await signInForTokens(url)
  for (let round = 0; round < 5; round++) {
    advance(11 * 60_000)
    cookie = await advanceFamily(url, cookie)
  }
  t.equal((await refresh(url, cookie)).status, 200)

  advance(6 * 60_000)
  await assertProblem(t, await refresh(url, cookie), 401, 'PTC_ERR_REFRESH_REFUSED')
})

t.test('a refresh token of a secret that is not known here is 503, because it may be good elsewhere', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signInForTokens(url)
  const bytes = Buffer.from(cookie.slice(name.length + 1), 'base64url')
  bytes[0] = bytes[0]! ^ 1

  const foreign = `${name}=${bytes.toString('base64url')}`
  await assertProblem(t, await refresh(url, foreign), 503, 'PTC_ERR_STORE_UNAVAILABLE')
  for (const scope of ['this', 'others', 'all']) await assertProblem(t, await post(`${url}/auth/logout`, { scope }, { cookie: foreign }), 503, 'PTC_ERR_STORE_UNAVAILABLE', scope)
})

t.test('refresh tokens of the old secret are good while the new one is rolled out', async t => {
  const [older, newer] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')]
  const before = await startGateway(t, { secret: older })
  const { cookie } = await signInForTokens(before.url)
  const after = await startGateway(t, { secret: [newer, older] }, { wrapStore: () => before.store })

  const response = await refresh(after.url, cookie)

  t.equal(response.status, 200)
  await assertProblem(t, await refresh(before.url, `${name}=${setCookies(response)[name] ?? ''}`), 503, 'PTC_ERR_STORE_UNAVAILABLE')
})
