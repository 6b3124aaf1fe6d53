import t, { type Test } from 'tap'
import type { ConfigInput } from '../config/schema.ts'
import type { Store } from '../stores/store.ts'
import { origin, post, signIn, signInForTokens, startGateway, type TestGateway } from './helpers/build-gateway.ts'
import { claimsOf, partsOf } from './helpers/credentials.ts'
import { createOutage } from './helpers/outage.ts'
import { assertProblem } from './helpers/problem.ts'
import { findClosedPort } from './helpers/closed-port.ts'
import { startUpstream, type RecordedRequest, type Upstream } from './helpers/upstream.ts'

type UpstreamInput = NonNullable<ConfigInput['upstreams']>[number]

interface Started extends TestGateway { up: Upstream, last: () => RecordedRequest }

/** A gateway with one upstream at /up, audience up, that is as the test says. */
async function start (t: Test, upstream: Partial<UpstreamInput> = {}, overrides: Partial<ConfigInput> = {}): Promise<Started> {
  const up = await startUpstream(t, (request, response) => {
    request.resume()
    response.setHeader('set-cookie', ['theme=dark; Path=/', '__Host-Http-portcullis=planted; Path=/; Secure', '__Secure-portcullis-refresh=planted; Path=/auth; Secure'])
    response.end('ok')
  })
  const gateway = await startGateway(t, { upstreams: [{ prefix: '/up', target: up.url, audience: 'up', ...upstream } as UpstreamInput], ...overrides })
  return { ...gateway, up, last: () => up.requests.at(-1)! }
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

t.test('access says which credentials are accepted', async t => {
  const missing = [401, 'PTC_ERR_CREDENTIALS_MISSING'] as const
  for (const [access, withCookie, withToken, withNothing] of [
    ['any', 200, 200, missing],
    ['session', 200, missing, missing],
    ['token', missing, 200, missing],
    ['public', 200, 200, 200]
  ] as const) {
    const { url, up } = await start(t, { access })
    const { cookie } = await signIn(url)
    const { token, cookie: refresh } = await signInForTokens(url)

    for (const [headers, expected] of [[{ cookie }, withCookie], [bearer(token), withToken], [{}, withNothing], [{ cookie: refresh }, withNothing], [{ authorization: 'Basic YTpi' }, withNothing]] as const) {
      const seen = up.requests.length
      const response = await fetch(`${url}/up/x`, { headers })
      if (expected === 200) t.equal(response.status, 200, access)
      else await assertProblem(t, response, expected[0], expected[1], access)
      t.equal(up.requests.length - seen, expected === 200 ? 1 : 0)
    }
    const both = await fetch(`${url}/up/x`, { headers: { cookie, ...bearer(token) } })
    if (access === 'public') t.equal(both.status, 200)
    else await assertProblem(t, both, 400, 'PTC_ERR_CREDENTIALS_AMBIGUOUS', access)
  }
})

t.test('a public upstream is told who it is with a good credential, and nothing with a bad one or none', async t => {
  const { url, last } = await start(t, { access: 'public' })
  const { cookie, sid } = await signIn(url)
  const { token } = await signInForTokens(url)
  const { token: narrow } = await signInForTokens(url, 'ada', ['origin'])
  const closed = await signIn(url)
  await post(`${url}/auth/logout`, undefined, { cookie: closed.cookie })

  for (const [headers, subject] of [
    [{ cookie }, 'ada'], [bearer(token), 'ada'],
    [{}, null], [{ cookie: closed.cookie }, null], [{ cookie: '__Host-Http-portcullis=x' }, null], [{ cookie: `${cookie}; ${cookie}` }, null], [bearer('x'), null], [bearer(narrow), null], [{ cookie, ...bearer(token) }, null]
  ] as const) {
    t.equal((await fetch(`${url}/up`, { headers })).status, 200)
    if (subject === null) t.equal(last().headers.authorization, undefined, JSON.stringify(headers))
    else t.match(claimsOf(last().headers.authorization), { sub: subject, aud: 'up' })
  }
  t.ok(sid)
})

t.test('mint: the upstream gets a token for itself alone, at most as long as the credential', async t => {
  const { url, last } = await start(t)
  const session = await signIn(url)
  const tokens = await signInForTokens(url)

  for (const [headers, sid] of [[{ cookie: session.cookie }, session.sid], [bearer(tokens.token), tokens.sid]] as const) {
    await fetch(`${url}/up`, { headers })
    const { header, claims } = partsOf(last().headers.authorization)
    t.match(header, { typ: 'at+jwt', alg: 'ES256', kid: String })
    t.same(Object.keys(claims).sort(), ['acr', 'amr', 'aud', 'auth_time', 'exp', 'iat', 'iss', 'jti', 'scope', 'sid', 'sub'])
    t.match(claims, { iss: origin, aud: 'up', sub: 'ada', sid, scope: 'orders:read orders:write', acr: '1', amr: ['pwd'] })
    t.ok(Number(claims['exp']) - Number(claims['iat']) <= 300)
    t.not(claims['jti'], claimsOf(tokens.token)['jti'])
    t.equal(last().headers['x-auth-subject'], undefined)
  }
})

t.test('a minted token ends with the credential that it stands for', async t => {
  const { url, last } = await start(t, {}, { accessToken: { ttl: '1m' }, session: { idleTimeout: '2m', absoluteTimeout: '2m' } })
  const { cookie } = await signIn(url)
  const { token } = await signInForTokens(url)
  const { session } = await (await fetch(`${url}/auth/session`, { headers: { cookie } })).json() as { session: { expires_at: number } }

  await fetch(`${url}/up`, { headers: bearer(token) })
  t.equal(claimsOf(last().headers.authorization)['exp'], claimsOf(token)['exp'])
  await fetch(`${url}/up`, { headers: { cookie } })
  t.equal(claimsOf(last().headers.authorization)['exp'], session.expires_at)
})

t.test('the same minted token is sent again, but never for another credential or audience', async t => {
  const other = await startUpstream(t)
  const one = await startUpstream(t)
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/one', target: one.url, audience: 'one' }, { prefix: '/other', target: other.url, audience: 'other' }] })
  const [first, second] = [await signIn(url), await signIn(url)]
  const tokens = await signInForTokens(url)

  for (const headers of [{ cookie: first.cookie }, { cookie: first.cookie }, { cookie: second.cookie }, bearer(tokens.token), bearer(tokens.token)]) {
    await fetch(`${url}/one`, { headers })
    await fetch(`${url}/other`, { headers })
  }

  const sent = [...one.requests, ...other.requests].map(({ headers }) => headers.authorization)
  t.equal(sent[0], sent[1])
  t.equal(sent[3], sent[4])
  t.equal(new Set(sent).size, 6)
})

t.test('pass: the client\'s own token goes on, if it is good at this upstream and nowhere else', async t => {
  const { url, last, up } = await start(t, { access: 'token', forward: 'pass' })
  const { token } = await signInForTokens(url, 'ada', ['up'])
  t.equal((await fetch(`${url}/up`, { headers: bearer(token) })).status, 200)
  t.equal(last().headers.authorization, `Bearer ${token}`)

  for (const audience of [['up', 'origin'], undefined, ['origin']]) {
    const { token: wide } = await signInForTokens(url, 'ada', audience)
    await assertProblem(t, await fetch(`${url}/up`, { headers: bearer(wide) }), 401, 'PTC_ERR_TOKEN_INVALID')
  }
  t.equal(up.requests.length, 1)
})

t.test('headers: subject, session and scopes in plain headers', async t => {
  const { url, last } = await start(t, { forward: 'headers' })
  const { cookie, sid } = await signIn(url)

  await fetch(`${url}/up`, { headers: { cookie } })

  t.match(last().headers, { 'x-auth-subject': 'ada', 'x-auth-session': sid, 'x-auth-scope': 'orders:read orders:write' })
  t.equal(last().headers.authorization, undefined)
})

t.test('none: the upstream is told nothing', async t => {
  const { url, last } = await start(t, { forward: 'none' })
  const { token } = await signInForTokens(url)
  await fetch(`${url}/up`, { headers: bearer(token) })
  t.same(Object.keys(last().headers).filter(name => /^(authorization|cookie|x-auth)/.test(name)), [])
})

t.test('authorization keep: the client\'s own header is for the upstream, and is no credential here', async t => {
  for (const [access, forward] of [['session', 'headers'], ['public', 'none']] as const) {
    const { url, last } = await start(t, { access, forward, authorization: 'keep' })
    const { cookie } = await signIn(url)
    for (const authorization of ['Basic YTpi', 'Bearer theirs', 'Digest x=1']) {
      t.equal((await fetch(`${url}/up`, { headers: { cookie, authorization } })).status, 200)
      t.equal(last().headers.authorization, authorization)
    }
  }
  const { url } = await start(t, { access: 'session', forward: 'headers', authorization: 'keep' })
  const { token } = await signInForTokens(url)
  await assertProblem(t, await fetch(`${url}/up`, { headers: bearer(token) }), 401, 'PTC_ERR_CREDENTIALS_MISSING')
})

t.test('authorization strip: what the client sent never arrives', async t => {
  for (const forward of ['headers', 'none'] as const) {
    const { url, last } = await start(t, { forward, access: 'public' })
    const { token } = await signInForTokens(url)
    for (const authorization of ['Basic YTpi', `Bearer ${token}`]) {
      await fetch(`${url}/up`, { headers: { authorization } })
      t.equal(last().headers.authorization, undefined)
    }
  }
})

t.test('every scope is required, and the challenge names them all', async t => {
  const { url, up } = await start(t, { scopes: ['orders:read', 'orders:admin'] })
  const { cookie } = await signIn(url)
  const { token } = await signInForTokens(url)
  for (const headers of [{ cookie }, bearer(token)]) {
    const response = await fetch(`${url}/up`, { headers })
    t.equal(response.headers.get('www-authenticate'), 'Bearer error="insufficient_scope", scope="orders:read orders:admin"')
    await assertProblem(t, response, 403, 'PTC_ERR_SCOPE_INSUFFICIENT')
  }
  const missing = await fetch(`${url}/up`)
  t.equal(missing.headers.get('www-authenticate'), 'Bearer scope="orders:read orders:admin"')
  t.equal(up.requests.length, 0)
})

t.test('step-up demands a recent authentication of the methods that it names', async t => {
  const { url, advance, up } = await start(t, { stepUp: { maxAge: '5m', methods: ['POST', 'GET'] } })
  const { cookie } = await signIn(url)
  const { token } = await signInForTokens(url)
  const status = async (method: string, headers: Record<string, string>) => (await fetch(`${url}/up`, { method, headers })).status
  for (const method of ['POST', 'GET', 'HEAD', 'DELETE']) t.equal(await status(method, { cookie }), 200, `${method}, fresh`)
  const before = up.requests.length
  advance(301_000)

  for (const headers of [{ cookie }, bearer(token)]) {
    for (const method of ['POST', 'GET']) {
      const response = await fetch(`${url}/up`, { method, headers })
      t.equal(response.headers.get('www-authenticate'), 'Bearer error="insufficient_user_authentication", max_age="300"')
      await assertProblem(t, response, 401, 'PTC_ERR_STEP_UP_REQUIRED', method)
    }
    t.equal(await status('HEAD', headers), 401, 'HEAD tells what GET tells')
    t.equal(await status('DELETE', headers), 200)
  }
  t.equal(up.requests.length - before, 2)
})

t.test('step-up without methods is demanded of every method', async t => {
  const { url, advance } = await start(t, { stepUp: { maxAge: '1m' } })
  const { cookie } = await signIn(url)
  advance(62_000)
  for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST', 'DELETE']) t.equal((await fetch(`${url}/up`, { method, headers: { cookie } })).status, 401, method)
})

t.test('the prefix is kept, or replaced as configured', async t => {
  for (const [rewritePrefix, expected] of [[undefined, ['/up', '/up/', '/up/a/b?c=/up', '/up?d=1']], ['/', ['/', '/', '/a/b?c=/up', '/?d=1']], ['/api/v2', ['/api/v2/', '/api/v2/', '/api/v2/a/b?c=/up', '/api/v2/?d=1']]] as const) {
    const { url, up } = await start(t, { access: 'public', ...rewritePrefix === undefined ? {} : { rewritePrefix } })
    for (const path of ['/up', '/up/', '/up/a/b?c=/up', '/up?d=1']) await fetch(`${url}${path}`)
    t.same(up.requests.map(request => request.url), expected)
  }
})

t.test('a prefix is matched by whole segments, and the longest wins', async t => {
  const [all, orders, admin] = [await startUpstream(t), await startUpstream(t), await startUpstream(t)]
  const { url } = await startGateway(t, {
    upstreams: [
      { prefix: '/', target: all.url, access: 'public' },
      { prefix: '/orders', target: orders.url, audience: 'orders' },
      { prefix: '/orders/admin', target: admin.url, audience: 'admin', scopes: ['admin'] }
    ]
  })
  const { cookie } = await signIn(url)

  for (const path of ['/', '/ordersx', '/order', '/Orders', '/x/orders', '/orders-old/1', '/orders.json']) t.equal((await fetch(`${url}${path}`)).status, 200, path)
  t.equal(all.requests.length, 7)
  for (const path of ['/orders', '/orders/', '/orders/1', '/orders?x=/', '/order%73/2', '/orders/administrators']) {
    await assertProblem(t, await fetch(`${url}${path}`), 401, 'PTC_ERR_CREDENTIALS_MISSING', path)
    t.equal((await fetch(`${url}${path}`, { headers: { cookie } })).status, 200, path)
  }
  t.equal(orders.requests.length, 6)
  for (const path of ['/orders/admin', '/orders/admin/', '/orders/%61dmin/x']) await assertProblem(t, await fetch(`${url}${path}`, { headers: { cookie } }), 403, 'PTC_ERR_SCOPE_INSUFFICIENT', path)
  t.equal(admin.requests.length, 0)
  t.equal(all.requests.length, 7)
})

t.test('an upstream that stays silent is 504, one that cannot be reached is 502', async t => {
  const silent = await startUpstream(t, () => {})
  const { url } = await startGateway(t, {
    upstreams: [
      { prefix: '/silent', target: silent.url, access: 'public', timeout: '100ms' },
      { prefix: '/closed', target: `http://127.0.0.1:${await findClosedPort()}`, access: 'public' }
    ]
  })
  await assertProblem(t, await fetch(`${url}/silent`), 504, 'PTC_ERR_UPSTREAM_TIMEOUT')
  t.notMatch(await assertProblem(t, await fetch(`${url}/closed`), 502, 'PTC_ERR_UPSTREAM_UNREACHABLE'), /127\.0\.0\.1|ECONN/)
})

t.test('consistency strict asks the store about every request, replica does not', async t => {
  for (const [revocation, upstream, isAsked] of [
    [{}, {}, false],
    [{}, { revocation: { consistency: 'strict' } }, true],
    [{ consistency: 'strict' }, {}, true],
    [{ consistency: 'strict' }, { revocation: { consistency: 'replica' } }, false]
  ] as const) {
    const outage = createOutage()
    const target = await startUpstream(t)
    const { url } = await startGateway(t, { revocation, upstreams: [{ prefix: '/up', target: target.url, audience: 'up', ...upstream }] }, outage)
    const { token } = await signInForTokens(url)

    for (let count = 0; count < 3; count++) {
      outage.calls.length = 0
      t.equal((await fetch(`${url}/up`, { headers: bearer(token) })).status, 200)
      t.equal(outage.calls.includes('isGood'), isAsked)
    }
  }
})

t.test('strict sees a revocation that this process has not heard of', async t => {
  const deaf = (store: Store): Store => new Proxy(store, {
    get (target, name) {
      const value: unknown = Reflect.get(target, name, target)
      if (name === 'onGrowth') return () => () => {}
      return typeof value === 'function' ? value.bind(target) as unknown : value
    }
  })
  const up = await startUpstream(t)
  const { url, store } = await startGateway(t, {
    revocation: { maxStaleness: '60s' },
    upstreams: [{ prefix: '/up', target: up.url, audience: 'up', revocation: { consistency: 'strict' } }]
  }, { wrapStore: deaf })
  const [session, tokens] = [await signIn(url), await signInForTokens(url)]
  const ways: Array<Record<string, string>> = [{ cookie: session.cookie }, bearer(tokens.token)]
  for (const headers of ways) t.equal((await fetch(`${url}/up`, { headers })).status, 200)

  await Promise.all([session, tokens].map(async ({ sid }) => await store.close(sid, { maxTokenAgeMs: 600_000 })))

  for (const headers of ways) t.equal((await fetch(`${url}/up`, { headers })).status, 401)
})

t.test('cookies of others pass untouched in both directions, ours in neither', async t => {
  const { url, last } = await start(t)
  const { cookie } = await signIn(url)

  const response = await fetch(`${url}/up`, { headers: { cookie: `a=1; ${cookie}; b="two"; portcullis=x; __Secure-portcullis-refresh=y; c=3` } })

  t.equal(last().headers.cookie, 'a=1; b="two"; c=3')
  t.same(response.headers.getSetCookie(), ['theme=dark; Path=/'])
})

t.test('identity headers that the client invents never arrive, in any spelling', async t => {
  for (const forward of ['mint', 'headers', 'none'] as const) {
    const { url, last } = await start(t, { forward, access: 'public' })
    const spoofed = Object.fromEntries(['X-Auth-Subject', 'x_auth_subject', 'X-AUTH_Session', 'x-auth-scope', 'X-Auth-Scope_', 'X-Forwarded-For', 'X-Forwarded-Host', 'X_Forwarded_Proto', 'Forwarded', 'X-Real-IP', 'X-Request-Id']
      .map(name => [name, 'zebra']))
    const { cookie } = await signIn(url)
    for (const headers of [spoofed, { ...spoofed, cookie }]) {
      await fetch(`${url}/up`, { headers })
      const { 'x-auth-scope_': other, ...received } = last().headers
      t.notMatch(JSON.stringify(received), /zebra/, forward)
      t.match(received, { 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'app.example.com' })
      t.match(received['x-request-id'], /^[\da-f-]{36}$/)
      t.ok(other === undefined || other === 'zebra')
    }
  }
})
