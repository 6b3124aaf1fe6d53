import t, { type Test } from 'tap'
import { origin, password, post, setCookies, signIn, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { attributesOf, isDeletion, partsOf, refreshAttributes, sessionAttributes, sessionMembers, tokensMembers, type SignInAnswer } from '../helpers/credentials.ts'
import { assertProblem } from '../helpers/problem.ts'

const ada = { username: 'ada', password }

async function login (url: string, more: object = {}, headers: Record<string, string> = {}): Promise<Response> {
  return await post(`${url}/auth/login`, { ...ada, ...more }, headers)
}

t.test('session mode answers the session and one hardened cookie', async t => {
  const { url, store } = await startGateway(t)
  const before = Math.floor(store.nowMs() / 1000)

  const response = await login(url, {}, { 'user-agent': 'a browser' })

  t.equal(response.status, 200)
  t.equal(response.headers.get('cache-control'), 'no-store')
  t.equal(response.headers.get('content-type'), 'application/json; charset=utf-8')
  const text = await response.text()
  const { session, ...rest } = JSON.parse(text) as SignInAnswer
  t.same(rest, {})
  t.same(Object.keys(session).sort(), sessionMembers)
  t.match(session, { sid: /^[\w-]{22}$/, subject: 'ada', acr: '1', amr: ['pwd'], client: { user_agent: 'a browser', ip: '127.0.0.1' } })
  t.ok(session.created_at >= before && session.created_at <= before + 5)
  t.equal(session.auth_time, session.created_at)
  t.equal(session.expires_at, session.created_at + 86_400)
  t.ok(session.idle_expires_at <= session.created_at + 1800 && session.idle_expires_at >= session.created_at + 1800 - 61)

  const lines = response.headers.getSetCookie()
  t.equal(lines.length, 1)
  t.same(attributesOf(lines[0]), sessionAttributes)
  const { '__Host-Http-portcullis': cookie = '' } = setCookies(response)
  t.match(cookie, /^[\w-]{22}\.[\w-]{43}$/)
  t.equal(cookie.split('.')[0], session.sid)
  t.notMatch(text, cookie.split('.')[1])
})

t.test('tokens mode answers an access token for every audience and the refresh cookie', async t => {
  const { url } = await startGateway(t)

  const response = await login(url, { mode: 'tokens' })

  t.equal(response.status, 200)
  t.equal(response.headers.get('cache-control'), 'no-store')
  const answer = await response.json() as SignInAnswer
  t.same(Object.keys(answer).sort(), tokensMembers)
  t.same(Object.keys(answer.session).sort(), sessionMembers)
  t.match(answer, { token_type: 'Bearer', expires_in: 600 })
  t.ok(answer.refresh_in! >= 300 && answer.refresh_in! < 600)
  const { header, claims } = partsOf(answer.access_token)
  t.match(header, { alg: 'ES256', typ: 'at+jwt', kid: String })
  const { sid, auth_time: authTime, acr, amr } = answer.session
  t.match(claims, { iss: origin, sub: 'ada', aud: ['orders', 'billing', origin], sid, auth_time: authTime, acr, amr, scope: 'orders:read orders:write', gen: 1, epoch: Number, client_id: String })
  t.match(claims['jti'], /^[\w-]{22}$/)
  t.equal(Number(claims['exp']) - Number(claims['iat']), 600)

  const lines = response.headers.getSetCookie()
  t.equal(lines.length, 1)
  t.match(lines[0], /^__Secure-portcullis-refresh=[\w-]{75};/)
  t.same(attributesOf(lines[0]), refreshAttributes)
})

t.test('the time to refresh is not the same every time', async t => {
  const { url } = await startGateway(t)
  const times = await Promise.all(Array.from({ length: 12 }, async () => (await (await login(url, { mode: 'tokens' })).json() as SignInAnswer).refresh_in))
  t.ok(new Set(times).size > 1)
})

t.test('an access token never outlives its session', async t => {
  const { url } = await startGateway(t, { session: { idleTimeout: '5m', absoluteTimeout: '5m' } })
  const { access_token: token, expires_in: expiresIn, session } = await (await login(url, { mode: 'tokens' })).json() as SignInAnswer
  t.equal(partsOf(token).claims['exp'], session.expires_at)
  t.ok(expiresIn! <= 300)
})

t.test('SameSite of the session cookie can be strict', async t => {
  const { url } = await startGateway(t, { cookies: { sameSite: 'strict' } })
  t.same(attributesOf((await login(url)).headers.getSetCookie()[0]), ['httponly', 'path=/', 'samesite=strict', 'secure'])
})

t.test('on a loopback http origin the cookies have neither prefix nor Secure', async t => {
  for (const loopback of ['http://localhost:8080', 'http://127.0.0.1:8080']) {
    const { url } = await startGateway(t, { origin: loopback })
    const [session] = (await login(url)).headers.getSetCookie()
    const [refresh] = (await login(url, { mode: 'tokens' })).headers.getSetCookie()

    t.match(session, /^portcullis=[^;]+;/)
    t.same(attributesOf(session), ['httponly', 'path=/', 'samesite=lax'])
    t.match(refresh, /^portcullis-refresh=[^;]+;/)
    t.same(attributesOf(refresh), ['httponly', 'path=/auth', 'samesite=strict'])
  }
})

t.test('a token is for exactly the audiences that were asked for', async t => {
  const { url } = await startGateway(t)
  for (const [asked, granted] of [
    [['orders'], ['orders']],
    [['orders', 'billing'], ['orders', 'billing']],
    [['billing', 'billing'], ['billing']],
    [['origin'], [origin]],
    [[origin], [origin]],
    [['orders', 'origin', origin], ['orders', origin]]
  ]) {
    const { access_token: token } = await (await login(url, { mode: 'tokens', audience: asked })).json() as SignInAnswer
    t.same(partsOf(token).claims['aud'], granted, String(asked))
  }
})

t.test('a session that was opened for one audience is refused at the others', async t => {
  const { url, billing } = await startGateway(t)
  const cookie = `__Host-Http-portcullis=${setCookies(await login(url, { audience: ['orders'] }))['__Host-Http-portcullis'] ?? ''}`

  t.equal((await fetch(`${url}/orders`, { headers: { cookie } })).status, 200)
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 200)
  await assertProblem(t, await fetch(`${url}/billing`, { headers: { cookie } }), 403, 'PTC_ERR_SCOPE_INSUFFICIENT')
  t.equal(billing.requests.length, 0)
})

t.test('an unknown audience is refused, and no session is opened', async t => {
  const { url, store } = await startGateway(t)
  for (const mode of ['session', 'tokens']) {
    for (const audience of [['zebra-7'], ['orders', 'zebra-7'], ['Orders'], ['orders '], [`${origin}/`], ['orders,billing']]) {
      const response = await login(url, { mode, audience })
      t.same(response.headers.getSetCookie(), [])
      t.notMatch(await assertProblem(t, response, 400, 'PTC_ERR_AUDIENCE_UNKNOWN'), /zebra/)
    }
  }
  t.same(await store.list('ada'), [])
})

/** Whether each of two credentials is still good. */
async function areGood ({ url }: TestGateway, { session, refresh }: { session: string, refresh: string }): Promise<[boolean, boolean]> {
  const refreshed = await post(`${url}/auth/refresh`, undefined, { cookie: refresh })
  return [(await fetch(`${url}/auth/session`, { headers: { cookie: session } })).ok, refreshed.ok]
}

t.test('a sign-in closes the sessions that the request carries, and deletes the cookie of the other mode', async t => {
  for (const mode of ['session', 'tokens'] as const) {
    const gateway = await startGateway(t)
    const { cookie: session } = await signIn(gateway.url, 'ada')
    const { cookie: refresh, token } = await signInForTokens(gateway.url, 'bob')

    const response = await login(gateway.url, { mode }, { cookie: `${session}; ${refresh}` })

    t.equal(response.status, 200)
    t.same(await areGood(gateway, { session, refresh }), [false, false])
    t.equal((await fetch(`${gateway.url}/billing`, { headers: { authorization: `Bearer ${token}` } })).status, 401)
    const lines = response.headers.getSetCookie()
    t.equal(lines.length, 2)
    const [kept, deleted] = mode === 'session' ? ['__Host-Http-portcullis', '__Secure-portcullis-refresh'] : ['__Secure-portcullis-refresh', '__Host-Http-portcullis']
    t.ok(isDeletion(lines.find(line => line.startsWith(`${deleted}=`)), deleted, mode === 'session' ? refreshAttributes : sessionAttributes))
    t.match(lines.find(line => line.startsWith(`${kept}=`)), /=[\w-]{22}/)
  }
})

t.test('a refused sign-in leaves the carried sessions and their cookies alone', async t => {
  const gateway = await startGateway(t)
  const { cookie: session } = await signIn(gateway.url)
  const { cookie: refresh } = await signInForTokens(gateway.url)
  const cookie = `${session}; ${refresh}`

  for (const [body, code] of [
    [{ password: 'wrong' }, 'PTC_ERR_LOGIN_REFUSED'],
    [{ audience: ['unknown'] }, 'PTC_ERR_AUDIENCE_UNKNOWN'],
    [{ mode: 'none' }, 'PTC_ERR_REQUEST_INVALID']
  ] as const) {
    const response = await login(gateway.url, body, { cookie })
    t.same(response.headers.getSetCookie(), [])
    await assertProblem(t, response, code === 'PTC_ERR_LOGIN_REFUSED' ? 401 : 400, code)
  }
  t.same(await areGood(gateway, { session, refresh }), [true, true])
})

t.test('a sign-in with dead, forged or foreign cookies succeeds and adopts nothing of them', async t => {
  const { url } = await startGateway(t)
  const { cookie, sid } = await signIn(url)
  await post(`${url}/auth/logout`, undefined, { cookie })

  for (const carried of [cookie, '__Host-Http-portcullis=x', `__Host-Http-portcullis=${sid}.${'A'.repeat(43)}`, `__Secure-portcullis-refresh=${'A'.repeat(75)}`, '__Host-Http-portcullis=', 'other=1']) {
    const response = await login(url, {}, { cookie: carried })
    t.equal(response.status, 200, carried)
    t.not(setCookies(response)['__Host-Http-portcullis']?.split('.')[0], sid)
  }
})

t.test('at the limit the oldest session of the subject is closed', async t => {
  const gateway = await startGateway(t, { session: { maxPerSubject: 2 } })
  const cookies: string[] = []
  for (let count = 0; count < 3; count++) {
    cookies.push((await signIn(gateway.url)).cookie)
    gateway.advance(1000)
  }
  const other = await signIn(gateway.url, 'bob')

  const statuses = await Promise.all([...cookies, other.cookie].map(async cookie => (await fetch(`${gateway.url}/auth/session`, { headers: { cookie } })).status))
  t.same(statuses, [401, 200, 200, 200])
})

async function assertRefused (t: Test, { url, store }: TestGateway, body: string, { status, code, type = 'application/json' }: { status: number, code: string, type?: string | null }): Promise<void> {
  const response = await fetch(`${url}/auth/login`, { method: 'POST', headers: type === null ? {} : { 'content-type': type }, body: Buffer.from(body) })
  t.same(response.headers.getSetCookie(), [])
  t.notMatch(await assertProblem(t, response, status, code, `${type ?? 'no type'} ${body.slice(0, 80)}`), /zebra|correct horse|constructor|__proto__/)
  t.same(await store.list('ada'), [])
}

t.test('a body that is not the documented object is refused without an echo', async t => {
  const gateway = await startGateway(t)
  const invalid = { status: 400, code: 'PTC_ERR_REQUEST_INVALID' }
  const credentials = '"username":"ada","password":"correct horse"'
  for (const body of [
    '', 'null', '[]', '"zebra"', '1', 'true', '{}', '{', '{]', `{${credentials}`, `{${credentials}}zebra`, `{${credentials},}`, `[{${credentials}}]`,
    '{"username":"ada"}', '{"password":"correct horse"}', '{"username":"","password":"zebra"}', '{"username":"ada","password":""}',
    '{"username":["ada"],"password":"correct horse"}', '{"username":{"zebra":1},"password":"correct horse"}', '{"username":1,"password":"correct horse"}', '{"username":"ada","password":null}',
    `{${credentials},"zebra":1}`, `{${credentials},"Mode":"session"}`, `{${credentials},"mode":"zebra"}`, `{${credentials},"mode":null}`, `{${credentials},"mode":["session"]}`,
    `{${credentials},"audience":"orders"}`, `{${credentials},"audience":[]}`, `{${credentials},"audience":[1]}`, `{${credentials},"audience":[["orders"]]}`, `{${credentials},"audience":null}`, `{${credentials},"audience":[""]}`,
    `{${credentials},"__proto__":{"zebra":1}}`, `{${credentials},"constructor":{"prototype":{"zebra":1}}}`, `{"__proto__":{${credentials}}}`, `{${credentials},"\\u005f_proto__":1}`,
    `{"username":"${'zebra'.repeat(60)}","password":"x"}`, `{"username":"ada","password":"${'zebra'.repeat(300)}"}`,
    '['.repeat(100_000), `{"username":${'['.repeat(10_000)}${']'.repeat(10_000)}}`, `${'{"username":'.repeat(10_000)}1${'}'.repeat(10_000)}`
  ]) await assertRefused(t, gateway, body, invalid)
})

t.test('a member that stands twice is refused, however it is spelt', async t => {
  const gateway = await startGateway(t)
  for (const body of [
    '{"username":"zebra","username":"ada","password":"correct horse"}',
    '{"username":"ada","password":"zebra","pass\\u0077ord":"correct horse"}',
    '{"username":"ada","password":"correct horse","mode":"session","mode":"tokens"}'
  ]) await assertRefused(t, gateway, body, { status: 400, code: 'PTC_ERR_REQUEST_INVALID' })
})

t.test('equal names in values and in other objects are no repetition', async t => {
  const { url } = await startGateway(t, { identity: async ({ username }: { username: string }) => username === 'password":"{,"username' ? 'ada' : null })
  t.equal((await login(url, { username: 'password":"{,"username', audience: ['orders', 'orders'] })).status, 200)
})

t.test('a body in any other type than JSON is refused', async t => {
  const gateway = await startGateway(t)
  const json = JSON.stringify(ada)
  for (const type of [
    'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'text/plain', 'text/plain; charset=utf-8', 'text/json', 'application/jsonp', 'application/problem+json',
    'application/xml', 'application/octet-stream', 'text/plain, application/json', 'text/plain; x=application/json', 'zebra', null
  ]) {
    await assertRefused(t, gateway, json, { status: 415, code: 'PTC_ERR_MEDIA_TYPE_UNSUPPORTED', type })
    await assertRefused(t, gateway, 'username=ada&password=correct+horse', { status: 415, code: 'PTC_ERR_MEDIA_TYPE_UNSUPPORTED', type })
  }
})

t.test('JSON with a charset is JSON', async t => {
  const { url } = await startGateway(t)
  for (const type of ['application/json; charset=utf-8', 'application/json;charset=UTF-8', 'Application/JSON']) {
    t.equal((await post(`${url}/auth/login`, ada, { 'content-type': type })).status, 200, type)
  }
})

t.test('a body above the limit is refused', async t => {
  const gateway = await startGateway(t, { limits: { body: '1KiB' } })
  await assertRefused(t, gateway, `{"username":"ada","password":"${'x'.repeat(1024)}"}`, { status: 413, code: 'PTC_ERR_BODY_TOO_LARGE' })
})

t.test('an identity function that fails is an internal error that tells nothing', async t => {
  const { url } = await startGateway(t, { identity: async () => { throw new Error('zebra: the directory at ldap://10.0.0.1 is down') } })
  const response = await login(url)
  t.same(response.headers.getSetCookie(), [])
  t.notMatch(await assertProblem(t, response, 500, 'PTC_ERR_INTERNAL'), /zebra|ldap/)
})

t.test('the answer carries the security headers of an own page', async t => {
  const { url } = await startGateway(t)
  for (const response of [await login(url), await login(url, { password: 'wrong' })]) {
    for (const [name, value] of [['x-content-type-options', 'nosniff'], ['referrer-policy', 'no-referrer'], ['content-security-policy', /frame-ancestors 'none'/], ['strict-transport-security', /max-age=\d{8}/]] as const) {
      t.match(response.headers.get(name), value, name)
    }
  }
})
