import t from 'tap'
import { post, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { sessionMembers } from '../helpers/credentials.ts'
import { assertProblem } from '../helpers/problem.ts'

interface Listed { sid: string, subject: string, current: boolean }

async function list (url: string, headers: Record<string, string>): Promise<Listed[]> {
  return (await (await fetch(`${url}/auth/sessions`, { headers })).json() as { sessions: Listed[] }).sessions
}

async function end (url: string, sid: string, headers: Record<string, string>): Promise<Response> {
  return await fetch(`${url}/auth/sessions/${sid}`, { method: 'DELETE', headers })
}

async function isGood (url: string, cookie: string): Promise<boolean> {
  return (await fetch(`${url}/auth/session`, { headers: { cookie } })).ok
}

t.test('the list has the subject\'s own sessions, newest first, one of them current', async t => {
  const { url, advance } = await startGateway(t)
  const first = await signIn(url)
  advance(1000)
  const second = await signInForTokens(url)
  await signIn(url, 'bob')

  for (const [headers, current] of [[{ cookie: first.cookie }, first.sid], [{ authorization: `Bearer ${second.token}` }, second.sid]] as const) {
    const response = await fetch(`${url}/auth/sessions`, { headers })

    t.equal(response.status, 200)
    t.equal(response.headers.get('cache-control'), 'no-store')
    const text = await response.text()
    const { sessions, ...rest } = JSON.parse(text) as { sessions: Listed[] }
    t.same(rest, {})
    t.same(sessions.map(({ sid }) => sid), [second.sid, first.sid])
    t.same(sessions.filter(session => session.current).map(({ sid }) => sid), [current])
    t.ok(sessions.every(session => session.subject === 'ada'))
    for (const session of sessions) t.same(Object.keys(session).sort(), [...sessionMembers, 'current'].sort())
    t.notMatch(text, /secret|hash|generation|epoch/i)
  }
})

t.test('sessions that are over are not listed', async t => {
  const { url, advance } = await startGateway(t)
  await signIn(url)
  const closed = await signIn(url)
  await post(`${url}/auth/logout`, undefined, { cookie: closed.cookie })
  advance(31 * 60_000)
  const { cookie, sid } = await signIn(url)

  t.same((await list(url, { cookie })).map(session => session.sid), [sid])
})

t.test('an own session is ended, with a session cookie or a bearer token', async t => {
  const { url } = await startGateway(t)
  for (const by of ['cookie', 'bearer']) {
    const [own, tokens, other] = [await signIn(url), await signInForTokens(url), await signIn(url)]
    const headers: Record<string, string> = by === 'cookie' ? { cookie: own.cookie } : { authorization: `Bearer ${tokens.token}` }

    const response = await end(url, other.sid, headers)

    t.equal(response.status, 204)
    t.equal(response.headers.get('cache-control'), 'no-store')
    t.same(response.headers.getSetCookie(), [])
    t.same([await isGood(url, other.cookie), await isGood(url, own.cookie)], [false, true])
    await assertProblem(t, await end(url, other.sid, headers), 404, 'PTC_ERR_SESSION_NOT_FOUND')
  }
})

t.test('ending the own current session is signing out', async t => {
  const { url, advance } = await startGateway(t)
  const { cookie, sid } = await signIn(url)
  advance(301_000)
  t.equal((await end(url, sid, { cookie })).status, 204, 'needs no fresh authentication')
  t.notOk(await isGood(url, cookie))
})

t.test('ending a session in tokens mode ends its tokens', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signIn(url)
  const tokens = await signInForTokens(url)

  t.equal((await end(url, tokens.sid, { cookie })).status, 204)

  t.equal((await fetch(`${url}/orders`, { headers: { authorization: `Bearer ${tokens.token}` } })).status, 401)
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })).status, 401)
})

t.test('somebody else\'s session, an unknown one and no session id are one and the same 404', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signIn(url)
  const bob = await signIn(url, 'bob')

  const answers = new Set<string>()
  for (const sid of [bob.sid, 'A'.repeat(22), 'x', `${bob.sid}x`, 'A'.repeat(200), '__proto__', '%C3%A9', '*']) {
    answers.add(await assertProblem(t, await end(url, sid, { cookie }), 404, 'PTC_ERR_SESSION_NOT_FOUND', sid))
  }
  t.equal(answers.size, 1)
  t.ok(await isGood(url, bob.cookie))
})

t.test('ending another session needs an authentication of the last five minutes', async t => {
  const { url, advance } = await startGateway(t)
  const [own, tokens, other, bob] = [await signIn(url), await signInForTokens(url), await signIn(url), await signIn(url, 'bob')]
  const ways: Array<Record<string, string>> = [{ cookie: own.cookie }, { authorization: `Bearer ${tokens.token}` }]
  advance(301_000)

  for (const headers of ways) {
    for (const sid of [other.sid, bob.sid, 'x']) {
      const response = await end(url, sid, headers)
      t.equal(response.headers.get('www-authenticate'), 'Bearer error="insufficient_user_authentication", max_age="300"')
      await assertProblem(t, response, 401, 'PTC_ERR_STEP_UP_REQUIRED', sid)
    }
    t.equal((await list(url, headers)).length, 3, 'listing does not')
  }
  t.ok(await isGood(url, other.cookie))
})

t.test('an authentication of five minutes ago is fresh enough', async t => {
  const { url, advance } = await startGateway(t)
  const [own, other] = [await signIn(url), await signIn(url)]
  advance(297_000)
  t.equal((await end(url, other.sid, { cookie: own.cookie })).status, 204)
})

t.test('refreshing makes no authentication fresh', async t => {
  const { url, advance } = await startGateway(t)
  const [tokens, other] = [await signInForTokens(url), await signIn(url)]
  advance(301_000)
  const { access_token: token } = await (await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })).json() as { access_token: string }
  await assertProblem(t, await end(url, other.sid, { authorization: `Bearer ${token}` }), 401, 'PTC_ERR_STEP_UP_REQUIRED')
})

t.test('neither the refresh cookie nor a token for an upstream is a credential here', async t => {
  const { url } = await startGateway(t)
  const { cookie, sid } = await signInForTokens(url)
  const { token: narrow } = await signInForTokens(url, 'ada', ['orders'])
  const { token, cookie: other } = await signInForTokens(url)
  const session = await signIn(url)

  for (const [headers, status, code] of [
    [{}, 401, 'PTC_ERR_CREDENTIALS_MISSING'],
    [{ cookie }, 401, 'PTC_ERR_CREDENTIALS_MISSING'],
    [{ authorization: `Bearer ${narrow}` }, 401, 'PTC_ERR_TOKEN_INVALID'],
    [{ cookie: '__Host-Http-portcullis=x' }, 401, 'PTC_ERR_SESSION_INVALID'],
    [{ cookie: session.cookie, authorization: `Bearer ${token}` }, 400, 'PTC_ERR_CREDENTIALS_AMBIGUOUS']
  ] as const) {
    await assertProblem(t, await fetch(`${url}/auth/sessions`, { headers }), status, code)
    await assertProblem(t, await end(url, sid, headers), status, code)
  }
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie })).status, 200)
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: other })).status, 200)
})

t.test('a body that comes along is JSON or refused', async t => {
  const { url } = await startGateway(t)
  const own = await signIn(url)
  for (const type of ['text/plain', 'application/x-www-form-urlencoded']) {
    const { sid, cookie } = await signIn(url)
    const response = await fetch(`${url}/auth/sessions/${sid}`, { method: 'DELETE', headers: { cookie: own.cookie, 'content-type': type }, body: 'a=b' })
    await assertProblem(t, response, 415, 'PTC_ERR_MEDIA_TYPE_UNSUPPORTED', type)
    t.ok(await isGood(url, cookie))
  }
  const { sid } = await signIn(url)
  t.equal((await end(url, sid, { cookie: own.cookie, 'content-type': 'application/json' })).status, 204, 'an empty one is none')
})
