import t, { type Test } from 'tap'
import { post, setCookies, signIn, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { isDeletion, refreshAttributes, sessionAttributes } from '../helpers/credentials.ts'
import { assertProblem } from '../helpers/problem.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

async function logout (url: string, headers: Record<string, string> = {}, scope?: string): Promise<Response> {
  return await post(`${url}/auth/logout`, scope === undefined ? undefined : { scope }, headers)
}

/** 204, both cookies deleted, and what the browser kept is cleared. */
function assertSignedOut (t: Test, response: Response, message: string): void {
  t.equal(response.status, 204, message)
  t.equal(response.headers.get('cache-control'), 'no-store', message)
  t.equal(response.headers.get('clear-site-data'), '"cache", "storage"', message)
  const lines = response.headers.getSetCookie()
  t.equal(lines.length, 2, message)
  t.ok(isDeletion(lines.find(line => line.startsWith('__Host-')), '__Host-Http-portcullis', sessionAttributes), message)
  t.ok(isDeletion(lines.find(line => line.startsWith('__Secure-')), '__Secure-portcullis-refresh', refreshAttributes), message)
}

/** Refused, and nothing is taken away. */
async function assertRefused (t: Test, response: Response, { status = 401, code }: { status?: number, code: string }, message = code): Promise<void> {
  t.same(response.headers.getSetCookie(), [], message)
  t.notOk(response.headers.has('clear-site-data'), message)
  await assertProblem(t, response, status, code, message)
}

const statusOf = {
  session: async (url: string, cookie: string) => (await fetch(`${url}/auth/session`, { headers: { cookie } })).status,
  token: async (url: string, token: string) => (await fetch(`${url}/orders`, { headers: { authorization: `Bearer ${token}` } })).status,
  refresh: async (url: string, cookie: string) => (await post(`${url}/auth/refresh`, undefined, { cookie })).status
}

/** A token of the session that is rightly signed and ran out a minute ago. */
async function expiredToken ({ app, store }: TestGateway, sid: string, audience: string[]): Promise<string> {
  const record = await store.read(sid)
  return app.portcullis.accessToken.issue({ ...record!, expiresAtMs: Date.now() - 60_000 }, { audience, generation: 1 })
}

t.test('the session cookie closes its session alone', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signIn(url)
  const { cookie: other } = await signIn(url)

  assertSignedOut(t, await logout(url, { cookie }), 'without a body')
  t.equal(await statusOf.session(url, cookie), 401)
  t.equal(await statusOf.session(url, other), 200)

  assertSignedOut(t, await logout(url, { cookie: other }, 'this'), 'with the scope')
  t.equal(await statusOf.session(url, other), 401)
})

t.test('the refresh cookie, any generation of it, closes its session and the access tokens', async t => {
  const { url } = await startGateway(t)
  for (const generation of ['newest', 'superseded']) {
    const { cookie, token } = await signInForTokens(url)
    const next = `__Secure-portcullis-refresh=${setCookies(await post(`${url}/auth/refresh`, undefined, { cookie }))['__Secure-portcullis-refresh'] ?? ''}`

    assertSignedOut(t, await logout(url, { cookie: generation === 'newest' ? next : cookie }), generation)

    t.equal(await statusOf.refresh(url, next), 401)
    t.equal(await statusOf.token(url, token), 401)
  }
})

t.test('a bearer token closes its session, also when it has expired', async t => {
  const gateway = await startGateway(t)
  const { url, app } = gateway
  for (const kind of ['live', 'expired']) {
    const { cookie, token, sid } = await signInForTokens(url)
    const presented = kind === 'live' ? token : await expiredToken(gateway, sid, [app.portcullis.accessToken.issuer])

    assertSignedOut(t, await logout(url, { authorization: `Bearer ${presented}` }), kind)

    t.equal(await statusOf.refresh(url, cookie), 401)
    t.equal(await statusOf.token(url, token), 401)
    assertSignedOut(t, await logout(url, { authorization: `Bearer ${presented}` }), `${kind}, again`)
  }
})

t.test('session cookie and refresh cookie together close both sessions', async t => {
  const { url } = await startGateway(t)
  const { cookie: session } = await signIn(url)
  const { cookie: refresh } = await signInForTokens(url)

  assertSignedOut(t, await logout(url, { cookie: `${session}; ${refresh}` }), 'both')

  t.same([await statusOf.session(url, session), await statusOf.refresh(url, refresh)], [401, 401])
})

t.test('session cookies under the present and the former name close both sessions, of whichever subjects they are', async t => {
  const { url, store } = await startGateway(t)
  const [present, former] = [await signIn(url), await signIn(url, 'eve')]
  const response = await logout(url, { cookie: `${former.cookie.replace('__Host-Http-', '__Host-')}; ${present.cookie}` })

  t.equal(response.status, 204)
  t.ok(isDeletion(response.headers.getSetCookie().find(line => line.startsWith('__Host-portcullis=')), '__Host-portcullis', sessionAttributes))
  for (const { cookie, sid } of [present, former]) {
    t.equal(await statusOf.session(url, cookie), 401)
    t.equal(await store.read(sid), null)
  }
})

t.test('refresh cookie and bearer token together close both sessions', async t => {
  const { url } = await startGateway(t)
  const [one, other] = [await signInForTokens(url), await signInForTokens(url, 'bob')]

  assertSignedOut(t, await logout(url, { cookie: one.cookie, authorization: `Bearer ${other.token}` }), 'both')

  t.same([await statusOf.refresh(url, one.cookie), await statusOf.refresh(url, other.cookie)], [401, 401])
})

t.test('nothing, something long dead and something forged are answered as signed out', async t => {
  const { url, advance } = await startGateway(t)
  const dead = { session: await signIn(url), tokens: await signInForTokens(url) }
  await logout(url, { cookie: dead.session.cookie })
  await logout(url, { cookie: dead.tokens.cookie })
  const idle = { session: await signIn(url), tokens: await signInForTokens(url) }
  advance(25 * 3_600_000)
  const alive = await signIn(url)

  for (const [what, headers] of Object.entries({
    nothing: {},
    'another scheme': { authorization: 'Basic YTpi' },
    'a closed session': { cookie: dead.session.cookie },
    'a closed family': { cookie: dead.tokens.cookie },
    'an expired session': { cookie: idle.session.cookie },
    'an expired family': { cookie: idle.tokens.cookie },
    'an expired bearer': { authorization: `Bearer ${idle.tokens.token}` },
    garbage: { cookie: '__Host-Http-portcullis=x; __Secure-portcullis-refresh=y' },
    'a wrong secret': { cookie: `__Host-Http-portcullis=${alive.sid}.${'A'.repeat(43)}` },
    'a wrong MAC': { cookie: `${dead.tokens.cookie.slice(0, -2)}AA` }
  })) assertSignedOut(t, await logout(url, headers), what)
  t.equal(await statusOf.session(url, alive.cookie), 200)
})

t.test('an idle session is closed for good', async t => {
  const { url, advance, store } = await startGateway(t)
  const { cookie, sid } = await signIn(url)
  advance(31 * 60_000)

  assertSignedOut(t, await logout(url, { cookie }), 'idle')
  t.equal(await store.read(sid), null)
})

t.test('what was answered is in the store already, for every process', async t => {
  const { url, store } = await startGateway(t)
  const { cookie, sid } = await signIn(url)
  assertSignedOut(t, await logout(url, { cookie }), 'signed out')
  t.equal(await store.read(sid), null)
  t.match((await takeSnapshot(store)).revocations, [{ kind: 'sid', sid }])
})

t.test('a bearer that cannot be verified is refused, and closes nothing', async t => {
  const gateway = await startGateway(t)
  const { url } = gateway
  const { token, cookie } = await signInForTokens(url)
  const [header = '', claims = '', signature = ''] = token.split('.')
  const { token: others } = await signInForTokens((await startGateway(t)).url)

  for (const scope of [undefined, 'others', 'all']) {
    for (const presented of ['zebra', 'a.b.c', `${header}.${claims}.${'A'.repeat(86)}`, `${header}.${claims}.`, `${header}.${signature}.${claims}`, `${token}=`, others]) {
      await assertRefused(t, await logout(url, { authorization: `Bearer ${presented}`, cookie }, scope), { code: 'PTC_ERR_TOKEN_INVALID' }, `${scope ?? 'this'} ${presented}`)
    }
  }
  t.same([await statusOf.token(url, token), await statusOf.refresh(url, cookie)], [200, 200])
})

t.test('a bearer without the gateway as audience is refused, live or expired', async t => {
  const gateway = await startGateway(t)
  const { url } = gateway
  const { token, sid } = await signInForTokens(url, 'ada', ['orders', 'billing'])

  for (const presented of [token, await expiredToken(gateway, sid, ['orders'])]) {
    for (const scope of [undefined, 'others', 'all']) {
      await assertRefused(t, await logout(url, { authorization: `Bearer ${presented}` }, scope), { code: 'PTC_ERR_TOKEN_INVALID' })
    }
  }
  t.equal(await statusOf.token(url, token), 200)
})

t.test('session cookie and bearer together are refused, and close nothing', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signIn(url)
  const { token } = await signInForTokens(url)

  for (const scope of [undefined, 'others', 'all']) {
    await assertRefused(t, await logout(url, { cookie, authorization: `Bearer ${token}` }, scope), { status: 400, code: 'PTC_ERR_CREDENTIALS_AMBIGUOUS' })
  }
  t.same([await statusOf.session(url, cookie), await statusOf.token(url, token)], [200, 200])
})

t.test('scope all ends every session of the subject, and nobody else\'s', async t => {
  const { url } = await startGateway(t)
  for (const by of ['session', 'refresh', 'bearer'] as const) {
    const [session, tokens, bob] = [await signIn(url), await signInForTokens(url), await signIn(url, 'bob')]
    const headers: Record<string, string> = by === 'bearer' ? { authorization: `Bearer ${tokens.token}` } : { cookie: by === 'session' ? session.cookie : tokens.cookie }

    assertSignedOut(t, await logout(url, headers, 'all'), by)

    t.same([await statusOf.session(url, session.cookie), await statusOf.refresh(url, tokens.cookie), await statusOf.token(url, tokens.token)], [401, 401, 401], by)
    t.equal(await statusOf.session(url, bob.cookie), 200, by)
    t.equal(await statusOf.session(url, (await signIn(url)).cookie), 200, 'and one can sign in again')
  }
})

t.test('scope others ends every session of the subject but this one, whose cookies stay', async t => {
  const { url } = await startGateway(t)
  for (const by of ['session', 'refresh', 'bearer'] as const) {
    const [session, tokens, other, bob] = [await signIn(url), await signInForTokens(url), await signInForTokens(url), await signIn(url, 'bob')]
    const headers: Record<string, string> = by === 'bearer' ? { authorization: `Bearer ${tokens.token}` } : { cookie: by === 'session' ? session.cookie : tokens.cookie }

    const response = await logout(url, headers, 'others')

    t.equal(response.status, 204)
    t.equal(response.headers.get('cache-control'), 'no-store')
    t.same(response.headers.getSetCookie(), [])
    t.notOk(response.headers.has('clear-site-data'))
    t.same([await statusOf.session(url, session.cookie), await statusOf.token(url, tokens.token), await statusOf.refresh(url, tokens.cookie)], by === 'session' ? [200, 401, 401] : [401, 200, 200], by)
    t.same([await statusOf.refresh(url, other.cookie), await statusOf.token(url, other.token), await statusOf.session(url, bob.cookie)], [401, 401, 200], by)
  }
})

t.test('scope others and all need a live credential', async t => {
  const gateway = await startGateway(t)
  const { url, advance, app } = gateway
  const idle = { session: await signIn(url), tokens: await signInForTokens(url) }
  advance(31 * 60_000)
  const closed = { session: await signIn(url), tokens: await signInForTokens(url) }
  await logout(url, { cookie: closed.session.cookie })
  await logout(url, { cookie: closed.tokens.cookie })
  const alive = { session: await signIn(url), tokens: await signInForTokens(url) }
  const used = alive.tokens.cookie
  const newest = `__Secure-portcullis-refresh=${setCookies(await post(`${url}/auth/refresh`, undefined, { cookie: used }))['__Secure-portcullis-refresh'] ?? ''}`

  for (const scope of ['others', 'all']) {
    await assertRefused(t, await logout(url, {}, scope), { code: 'PTC_ERR_CREDENTIALS_MISSING' })
    await assertRefused(t, await logout(url, { cookie: closed.session.cookie }, scope), { code: 'PTC_ERR_SESSION_INVALID' })
    await assertRefused(t, await logout(url, { cookie: idle.session.cookie }, scope), { code: 'PTC_ERR_SESSION_INVALID' })
    await assertRefused(t, await logout(url, { cookie: '__Host-Http-portcullis=x' }, scope), { code: 'PTC_ERR_SESSION_INVALID' })
    await assertRefused(t, await logout(url, { cookie: closed.tokens.cookie }, scope), { code: 'PTC_ERR_REFRESH_REFUSED' })
    await assertRefused(t, await logout(url, { cookie: idle.tokens.cookie }, scope), { code: 'PTC_ERR_REFRESH_REFUSED' })
    await assertRefused(t, await logout(url, { cookie: used }, scope), { code: 'PTC_ERR_REFRESH_REFUSED' }, 'a superseded refresh token')
    await assertRefused(t, await logout(url, { cookie: `${newest.slice(0, -2)}AA` }, scope), { code: 'PTC_ERR_REFRESH_REFUSED' })
    await assertRefused(t, await logout(url, { authorization: `Bearer ${closed.tokens.token}` }, scope), { code: 'PTC_ERR_TOKEN_INVALID' })
    await assertRefused(t, await logout(url, { authorization: `Bearer ${await expiredToken(gateway, alive.tokens.sid, [app.portcullis.accessToken.issuer])}` }, scope), { code: 'PTC_ERR_TOKEN_INVALID' })
  }
  t.same([await statusOf.session(url, alive.session.cookie), await statusOf.refresh(url, newest)], [200, 200])
})

t.test('scope others needs an authentication of the last five minutes, all does not', async t => {
  const { url, advance } = await startGateway(t)
  const [session, tokens] = [await signIn(url), await signInForTokens(url)]
  const ways: Array<Record<string, string>> = [{ cookie: session.cookie }, { cookie: tokens.cookie }, { authorization: `Bearer ${tokens.token}` }]
  advance(301_000)

  for (const headers of ways) {
    const response = await logout(url, headers, 'others')
    t.equal(response.headers.get('www-authenticate'), 'Bearer error="insufficient_user_authentication", max_age="300"')
    await assertRefused(t, response, { code: 'PTC_ERR_STEP_UP_REQUIRED' }, Object.keys(headers)[0])
  }
  t.same([await statusOf.session(url, session.cookie), await statusOf.token(url, tokens.token)], [200, 200])
  assertSignedOut(t, await logout(url, { cookie: tokens.cookie }, 'all'), 'all')
})

t.test('an unknown scope, an unknown member and a form are refused, and nothing is closed', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signIn(url)
  for (const body of [{ scope: 'zebra' }, { scope: null }, { scope: ['all'] }, { zebra: 1 }, { scope: 'this', zebra: 1 }, [], 'all', 1]) {
    const response = await post(`${url}/auth/logout`, body, { cookie })
    t.same(response.headers.getSetCookie(), [])
    t.notMatch(await assertProblem(t, response, 400, 'PTC_ERR_REQUEST_INVALID'), /zebra/)
  }
  for (const type of ['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data; boundary=x']) {
    await assertRefused(t, await fetch(`${url}/auth/logout`, { method: 'POST', headers: { cookie, 'content-type': type }, body: 'scope=this' }), { status: 415, code: 'PTC_ERR_MEDIA_TYPE_UNSUPPORTED' })
  }
  t.equal(await statusOf.session(url, cookie), 200)
})

t.test('an empty body is none, with its type or without', async t => {
  const { url } = await startGateway(t)
  for (const headers of [{}, { 'content-type': 'application/json' }]) {
    const { cookie } = await signIn(url)
    assertSignedOut(t, await fetch(`${url}/auth/logout`, { method: 'POST', headers: { ...headers, cookie } }), JSON.stringify(headers))
    t.equal(await statusOf.session(url, cookie), 401)
  }
  assertSignedOut(t, await fetch(`${url}/auth/logout`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: 'null' }), 'null')
})
