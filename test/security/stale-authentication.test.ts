import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { bearer } from '../helpers/bearer.ts'
import { password, post, setCookies, signIn, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { claimsOf, type SignInAnswer } from '../helpers/credentials.ts'
import { assertProblem } from '../helpers/problem.ts'
import { advanceFamily, refreshName } from '../helpers/refresh.ts'
import { startUpstream, type Upstream } from '../helpers/upstream.ts'
import { askRaw } from '../helpers/wire.ts'

/*
 * Somebody sits down at a machine that its owner has left signed in, or holds a copy of a token. What matters most is behind a
 * recent sign-in, so they try to make an old one look young: by using it, by refreshing it, by signing in as themselves, or by
 * stepping up in another session of the same person, whose password they do not have.
 */

const minute = 60_000
const challenge = 'Bearer error="insufficient_user_authentication", max_age="300"'
const sessionName = '__Host-Http-portcullis'

async function start (t: Test): Promise<TestGateway & { up: Upstream }> {
  const up = await startUpstream(t)
  return {
    up,
    ...await startGateway(t, {
      identity: async ({ username, password: given }: { username: string, password: string }) => given === `${password} of ${username}` ? { subject: username, scopes: [] } : null,
      session: { idleTimeout: '2h', absoluteTimeout: '24h' },
      upstreams: [
        { prefix: '/pay', target: up.url, audience: 'orders', stepUp: { maxAge: '5m' } },
        { prefix: '/orders', target: up.url, audience: 'orders', stepUp: { maxAge: '5m', methods: ['POST', 'DELETE'] } }
      ]
    })
  }
}

/** As the helpers do, with a password of one's own. */
async function signInAs (url: string, username: string, mode: 'session' | 'tokens'): Promise<{ cookie: string, sid: string, token: string }> {
  const response = await post(`${url}/auth/login`, { username, password: `${password} of ${username}`, mode })
  const { session, access_token: token = '' } = await response.json() as SignInAnswer
  const name = mode === 'session' ? sessionName : refreshName
  return { cookie: `${name}=${setCookies(response)[name] ?? ''}`, sid: session.sid, token }
}

async function assertStale (t: Test, { url, up }: { url: string, up: Upstream }, headers: Record<string, string>, message: string): Promise<void> {
  const before = up.requests.length
  for (const [method, path] of [['GET', '/pay'], ['POST', '/pay/x'], ['DELETE', '/orders/1']] as const) {
    const response = await fetch(`${url}${path}`, { method, headers })
    t.equal(response.headers.get('www-authenticate'), challenge, message)
    await assertProblem(t, response, 401, 'PTC_ERR_STEP_UP_REQUIRED', message)
  }
  t.equal(up.requests.length, before, message)
}

t.test('neither use nor refreshing makes a sign-in younger: what demands a recent one goes on demanding it', async t => {
  const gateway = await start(t)
  const { url, advance } = gateway
  const session = await signInAs(url, 'ada', 'session')
  const tokens = await signInAs(url, 'ada', 'tokens')
  for (const headers of [{ cookie: session.cookie }, bearer(tokens.token)]) t.equal((await fetch(`${url}/pay`, { headers })).status, 200, 'young')
  const authTime = claimsOf(tokens.token)['auth_time']
  let newest = { cookie: tokens.cookie, token: tokens.token }

  for (let round = 0; round < 10; round++) {
    advance(6 * minute)
    newest = await advanceFamily(url, newest.cookie)
    t.equal(claimsOf(newest.token)['auth_time'], authTime)
    for (const headers of [{ cookie: session.cookie }, bearer(newest.token)]) {
      t.equal((await fetch(`${url}/orders`, { headers })).status, 200, 'what demands nothing')
      await assertStale(t, gateway, headers, `round ${round}`)
    }
  }
  const { session: shown } = await (await fetch(`${url}/auth/session`, { headers: { cookie: session.cookie } })).json() as SignInAnswer
  t.equal(shown.auth_time, shown.created_at)
})

t.test('a recent sign-in of somebody else, or of the same person elsewhere, counts nothing here', async t => {
  const gateway = await start(t)
  const { url, advance } = gateway
  const [mine, elsewhere, hers] = [await signInAs(url, 'ada', 'session'), await signInAs(url, 'ada', 'session'), await signInAs(url, 'bob', 'session')]
  const [tokens, other] = [await signInAs(url, 'ada', 'tokens'), await signInAs(url, 'ada', 'tokens')]
  advance(6 * minute)

  for (const cookie of [elsewhere.cookie, hers.cookie, other.cookie]) {
    const username = cookie === hers.cookie ? 'bob' : 'ada'
    t.equal((await post(`${url}/auth/step-up`, { password: `${password} of ${username}` }, { cookie })).status, 200)
  }
  const fresh = await signInAs(url, 'ada', 'session')

  await assertStale(t, gateway, { cookie: mine.cookie }, 'the session that stayed as it was')
  await assertStale(t, gateway, bearer(tokens.token), 'the token that stayed as it was')
  t.equal((await fetch(`${url}/pay`, { headers: { cookie: fresh.cookie } })).status, 200)
  const mixed = await fetch(`${url}/pay`, { headers: { cookie: `${mine.cookie}; ${other.cookie}` } })
  await assertProblem(t, mixed, 401, 'PTC_ERR_STEP_UP_REQUIRED', 'the refresh cookie of a fresh session beside it')
})

t.test('only the password of who is signed in steps up, and only with a cookie', async t => {
  const gateway = await start(t)
  const { url, advance, store } = gateway
  const [session, tokens, thief] = [await signInAs(url, 'ada', 'session'), await signInAs(url, 'ada', 'tokens'), await signInAs(url, 'bob', 'session')]
  advance(6 * minute)
  const stepUp = async (body: object, headers: Record<string, string>) => await post(`${url}/auth/step-up`, body, headers)

  for (const { cookie } of [session, tokens]) {
    for (const given of [`${password} of bob`, password, 'wrong']) await assertProblem(t, await stepUp({ password: given }, { cookie }), 401, 'PTC_ERR_LOGIN_REFUSED', given)
    for (const body of [{ username: 'bob', password: `${password} of bob` }, { password: `${password} of bob`, sid: thief.sid }, { password: `${password} of bob`, subject: 'bob' }]) await assertProblem(t, await stepUp(body, { cookie }), 400, 'PTC_ERR_REQUEST_INVALID')
  }
  const right = { password: `${password} of ada` }
  await assertProblem(t, await stepUp(right, bearer(tokens.token)), 401, 'PTC_ERR_CREDENTIALS_MISSING', 'an access token alone')
  await assertProblem(t, await stepUp(right, { cookie: session.cookie, ...bearer(tokens.token) }), 400, 'PTC_ERR_CREDENTIALS_AMBIGUOUS', 'both')
  await assertProblem(t, await stepUp(right, { cookie: `${sessionName}=${session.sid}.${thief.cookie.split('.')[1]!}` }), 401, 'PTC_ERR_SESSION_INVALID', 'another secret')
  await assertProblem(t, await stepUp(right, { cookie: thief.cookie }), 401, 'PTC_ERR_LOGIN_REFUSED', 'the right password for another session')

  await assertStale(t, gateway, { cookie: session.cookie }, 'session')
  await assertStale(t, gateway, bearer(tokens.token), 'token')
  for (const { sid } of [session, tokens, thief]) {
    const record = await store.read(sid)
    t.equal(record?.authTimeMs, record?.createdAtMs)
  }
})

t.test('after a step-up every older copy is as old as before, or dead', async t => {
  const gateway = await start(t)
  const { url, advance } = gateway
  const right = { password: `${password} of ada` }

  const session = await signInAs(url, 'ada', 'session')
  advance(6 * minute)
  const renewed = `${sessionName}=${setCookies(await post(`${url}/auth/step-up`, right, { cookie: session.cookie }))[sessionName] ?? ''}`
  t.equal((await fetch(`${url}/pay`, { headers: { cookie: renewed } })).status, 200)
  await assertProblem(t, await fetch(`${url}/pay`, { headers: { cookie: session.cookie } }), 401, 'PTC_ERR_SESSION_INVALID')
  t.equal(renewed.split('.')[0], session.cookie.split('.')[0], 'the same session with another secret')

  const tokens = await signInAs(url, 'ada', 'tokens')
  advance(6 * minute)
  const { access_token: fresh = '' } = await (await post(`${url}/auth/step-up`, right, { cookie: tokens.cookie })).json() as SignInAnswer
  t.equal((await fetch(`${url}/pay`, { headers: bearer(fresh) })).status, 200)
  await assertStale(t, gateway, bearer(tokens.token), 'the token of before')
  advance(6 * minute)
  await assertStale(t, gateway, bearer(fresh), 'the fresh one, in its turn')
  await assertStale(t, gateway, { cookie: renewed }, 'the renewed cookie, in its turn')
})

t.test('no other spelling of a method gets around what is demanded of it', async t => {
  const gateway = await start(t)
  const { app, url, up, advance } = gateway
  const { cookie } = await signInAs(url, 'ada', 'session')
  const { port } = app.server.address() as AddressInfo
  advance(6 * minute)
  t.equal((await askRaw(t, port, 'GET /orders', [`Cookie: ${cookie}`])).status, 200)
  const before = up.requests.length

  for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', '_method']) t.equal((await askRaw(t, port, 'POST /orders', [`Cookie: ${cookie}`, `${name}: GET`])).status, 401, name)
  t.equal((await askRaw(t, port, 'POST /orders?_method=GET', [`Cookie: ${cookie}`])).status, 401)
  for (const method of ['post', 'Post', 'PoST', 'delete']) t.equal((await askRaw(t, port, `${method} /orders`, [`Cookie: ${cookie}`])).status, 400, method)
  for (const path of ['/pay', '/pay/', '/pay?x', '/p%61y', '/pay/%78']) t.equal((await askRaw(t, port, `HEAD ${path}`, [`Cookie: ${cookie}`])).status, 401, path)

  t.equal(up.requests.length, before)
})

t.test('what changes who is signed in needs a recent sign-in too, whatever the configuration', async t => {
  const { url, advance } = await startGateway(t)
  const [old, victim] = [await signIn(url), await signIn(url)]
  const tokens = await signInForTokens(url)
  advance(6 * minute)
  for (const headers of [{ cookie: old.cookie }, bearer(tokens.token)]) {
    for (const [method, path, body] of [['DELETE', `/auth/sessions/${victim.sid}`, undefined], ['POST', '/auth/logout', '{"scope":"others"}']] as const) {
      const response = await fetch(`${url}${path}`, { method, headers: { ...headers, ...body === undefined ? {} : { 'content-type': 'application/json' } }, ...body === undefined ? {} : { body } })
      t.equal(response.headers.get('www-authenticate'), challenge, path)
      await assertProblem(t, response, 401, 'PTC_ERR_STEP_UP_REQUIRED', path)
    }
  }
  await assertProblem(t, await post(`${url}/auth/logout`, { scope: 'others' }, { cookie: tokens.cookie }), 401, 'PTC_ERR_STEP_UP_REQUIRED', 'by refresh cookie')
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie: victim.cookie } })).status, 200)
})
