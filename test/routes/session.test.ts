import t from 'tap'
import { signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { sessionMembers, type SignInAnswer } from '../helpers/credentials.ts'
import { assertProblem } from '../helpers/problem.ts'

async function ask (url: string, headers: Record<string, string>): Promise<Response> {
  return await fetch(`${url}/auth/session`, { headers })
}

t.test('the session is told to its cookie and to its bearer token', async t => {
  const { url } = await startGateway(t)
  const [session, tokens] = [await signIn(url), await signInForTokens(url, 'bob')]

  for (const [headers, sid, subject] of [[{ cookie: session.cookie }, session.sid, 'ada'], [{ authorization: `Bearer ${tokens.token}` }, tokens.sid, 'bob']] as const) {
    const response = await ask(url, headers)

    t.equal(response.status, 200)
    t.equal(response.headers.get('cache-control'), 'no-store')
    t.same(response.headers.getSetCookie(), [])
    const answer = await response.json() as SignInAnswer
    t.same(Object.keys(answer), ['session'])
    t.same(Object.keys(answer.session).sort(), sessionMembers)
    t.match(answer.session, { sid, subject })
  }
})

t.test('asking does not extend the idle time, using does', async t => {
  const { url, advance } = await startGateway(t)
  const { cookie } = await signIn(url)
  const idleEnd = async () => (await (await ask(url, { cookie })).json() as SignInAnswer).session.idle_expires_at

  const first = await idleEnd()
  advance(20 * 60_000)
  t.equal(await idleEnd(), first)
  t.equal((await fetch(`${url}/orders`, { headers: { cookie } })).status, 200)
  t.ok(await idleEnd() - first >= 19 * 60)
  advance(20 * 60_000)
  t.equal((await ask(url, { cookie })).status, 200)
  advance(11 * 60_000)
  await assertProblem(t, await ask(url, { cookie }), 401, 'PTC_ERR_SESSION_INVALID')
  await assertProblem(t, await fetch(`${url}/orders`, { headers: { cookie } }), 401, 'PTC_ERR_SESSION_INVALID')
})

t.test('using a session does not extend its absolute end', async t => {
  const { url, advance } = await startGateway(t, { session: { idleTimeout: '30m', absoluteTimeout: '1h' } })
  const { cookie } = await signIn(url)
  for (let round = 0; round < 3; round++) {
    advance(19 * 60_000)
    t.equal((await fetch(`${url}/orders`, { headers: { cookie } })).status, 200)
  }
  advance(4 * 60_000)
  await assertProblem(t, await ask(url, { cookie }), 401, 'PTC_ERR_SESSION_INVALID')
})

t.test('without a good credential it is 401, with the code and the challenge that say why', async t => {
  const { url } = await startGateway(t)
  const { cookie, sid } = await signIn(url)
  const { cookie: refresh } = await signInForTokens(url)
  const { token: narrow } = await signInForTokens(url, 'ada', ['orders'])

  for (const [headers, code, challenge] of [
    [{}, 'PTC_ERR_CREDENTIALS_MISSING', 'Bearer'],
    [{ cookie: refresh }, 'PTC_ERR_CREDENTIALS_MISSING', 'Bearer'],
    [{ authorization: 'Basic YTpi' }, 'PTC_ERR_CREDENTIALS_MISSING', 'Bearer'],
    [{ cookie: '__Host-Http-portcullis=' }, 'PTC_ERR_SESSION_INVALID', 'Bearer'],
    [{ cookie: `__Host-Http-portcullis=${sid}` }, 'PTC_ERR_SESSION_INVALID', 'Bearer'],
    [{ cookie: `__Host-Http-portcullis=${sid}.${'A'.repeat(43)}` }, 'PTC_ERR_SESSION_INVALID', 'Bearer'],
    [{ cookie: `__Host-Http-portcullis="${cookie.split('=')[1] ?? ''}"` }, 'PTC_ERR_SESSION_INVALID', 'Bearer'],
    [{ authorization: 'Bearer' }, 'PTC_ERR_TOKEN_INVALID', 'Bearer error="invalid_token"'],
    [{ authorization: 'Bearer zebra' }, 'PTC_ERR_TOKEN_INVALID', 'Bearer error="invalid_token"'],
    [{ authorization: 'Bearer a, Bearer b' }, 'PTC_ERR_TOKEN_INVALID', 'Bearer error="invalid_token"'],
    [{ authorization: `Bearer ${narrow}` }, 'PTC_ERR_TOKEN_INVALID', 'Bearer error="invalid_token"']
  ] as const) {
    const response = await ask(url, headers)
    t.equal(response.headers.get('www-authenticate'), challenge)
    t.same(response.headers.getSetCookie(), [])
    await assertProblem(t, response, 401, code, JSON.stringify(headers))
  }
})

t.test('two credentials are refused', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signIn(url)
  const { token } = await signInForTokens(url)
  await assertProblem(t, await ask(url, { cookie, authorization: `Bearer ${token}` }), 400, 'PTC_ERR_CREDENTIALS_AMBIGUOUS')
})

t.test('the scheme is read in any case, and the token in the header alone', async t => {
  const { url } = await startGateway(t)
  const { token } = await signInForTokens(url)
  for (const scheme of ['Bearer', 'bearer', 'BEARER', 'Bearer  ']) t.equal((await ask(url, { authorization: `${scheme} ${token}` })).status, 200, scheme)
  for (const path of [`/auth/session?access_token=${token}`, `/auth/session?token=${token}`]) {
    await assertProblem(t, await fetch(`${url}${path}`, { headers: { 'x-access-token': token, cookie: `access_token=${token}` } }), 401, 'PTC_ERR_CREDENTIALS_MISSING')
  }
})
