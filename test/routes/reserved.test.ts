import { METHODS } from 'node:http'
import t from 'tap'
import { password, post, signIn, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { assertProblem } from '../helpers/problem.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { startUpstream, type Upstream } from '../helpers/upstream.ts'

/** A gateway whose public upstream takes everything that is not the gateway's own. */
async function startWithCatchAll (t: Parameters<typeof startGateway>[0]): Promise<TestGateway & { all: Upstream, port: number }> {
  const all = await startUpstream(t)
  const gateway = await startGateway(t, { upstreams: [{ prefix: '/', target: all.url, access: 'public', audience: 'all' }] })
  return { ...gateway, all, port: Number(new URL(gateway.url).port) }
}

const own = [
  '/auth', '/auth/', '/auth/login', '/auth/login/', '/auth/login/x', '/auth/refresh', '/auth/logout', '/auth/session', '/auth/session/', '/auth/sessions', '/auth/sessions/', '/auth/sessions/x', '/auth/sessions/x/y',
  '/auth/step-up/', '/auth/sign-in', '/auth/account', '/auth/unknown', '/auth/login?x=1', '/%61uth/login', '/auth/%6cogin', '/auth/%6Cogout', '/oauth', '/oauth/', '/oauth/revoke', '/oauth/introspect',
  '/.well-known/jwks.json', '/.well-known/jwks.json/', '/.well-known/jwks.json/x', '/%2ewell-known/jwks.json', '/.well-known/oauth-authorization-server', '/.well-known/oauth-authorization-server/x'
]

const routes = new Set(['POST /auth/login', 'POST /auth/refresh', 'POST /auth/logout', 'GET /auth/session', 'GET /auth/sessions', 'DELETE /auth/sessions/', 'DELETE /auth/sessions/x', 'GET /.well-known/jwks.json'])

function hasRoute (method: string, target: string): boolean {
  const path = decodeURIComponent(target.split('?')[0]!)
  return routes.has(`${method === 'HEAD' ? 'GET' : method} ${path}`)
}

t.test('our own prefixes reach no upstream, with any method', async t => {
  const { port, all } = await startWithCatchAll(t)

  for (const method of METHODS.filter(name => name !== 'CONNECT')) {
    const answers = await Promise.all(own.map(async target => await sendRaw(t, port, `${method} ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`).ended))
    for (const [index, answer] of answers.entries()) {
      const target = own[index]!
      if (!hasRoute(method, target)) t.match(answer, /^HTTP\/1\.1 404 [^]*content-type: application\/problem\+json/, `${method} ${target}`)
    }
  }
  t.same(all.requests.map(({ method, url }) => `${method} ${url}`), [])
})

t.test('a spelling of our own prefixes that is not canonical is refused', async t => {
  const { port, all } = await startWithCatchAll(t)
  for (const target of ['/auth//login', '//auth/login', '/x/../auth/login', '/auth/./login', '/auth;x/login', '/auth/login;x', '/auth%2flogin', '/auth%2Flogin', '/auth/%2e%2e/auth/login', '/%2561uth/login', '/auth\\login', '/auth%5clogin', '/./auth/login', '/auth/login%00', '/auth/login%20', '/auth/login%0a', '/auth#/login', 'http://x/auth/login']) {
    for (const method of ['GET', 'POST']) {
      const answer = await sendRaw(t, port, `${method} ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`).ended
      t.match(answer, /^HTTP\/1\.1 4(00|04) /, `${method} ${target}`)
    }
  }
  t.same(all.requests, [])
})

t.test('an encoded letter of our own path is that letter', async t => {
  const { url, all } = await startWithCatchAll(t)
  t.equal((await post(`${url}/auth/%6cogin`, { username: 'ada', password })).status, 200)
  t.equal((await post(`${url}/%61uth/login`, { username: 'ada', password })).status, 200)
  t.same(all.requests, [])
})

t.test('what only begins like our own prefixes is the upstream\'s', async t => {
  const { url, all } = await startWithCatchAll(t)
  for (const path of ['/', '/authors', '/auth-x/login', '/oauth2/token', '/.well-known/security.txt', '/.well-known/jwks.jsonx', '/.well-known', '/x/auth/login']) {
    t.equal((await fetch(`${url}${path}`)).status, 200, path)
  }
  t.equal(all.requests.length, 8)
})

t.test('a body that is on its way to nowhere is not read', async t => {
  const { port } = await startWithCatchAll(t)
  const answer = await sendRaw(t, port, 'POST /auth/unknown HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000000\r\n\r\n').until(/PTC_ERR_NOT_FOUND/)
  t.match(answer, /^HTTP\/1\.1 404 /)
})

t.test('a method override changes nothing', async t => {
  const { url } = await startWithCatchAll(t)
  const { cookie } = await signIn(url)
  for (const path of ['/auth/logout', '/auth/logout?_method=POST']) {
    await assertProblem(t, await fetch(`${url}${path}`, { headers: { cookie, 'x-http-method-override': 'POST', 'x-http-method': 'POST', 'x-method-override': 'POST' } }), 404, 'PTC_ERR_NOT_FOUND')
  }
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 200)
})

t.test('reading changes nothing: no state-changing route answers a safe method', async t => {
  const { url } = await startWithCatchAll(t)
  const { cookie, sid } = await signIn(url)
  const tokens = await signInForTokens(url)
  for (const path of ['/auth/login', '/auth/refresh', '/auth/logout', `/auth/sessions/${sid}`]) {
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      const response = await fetch(`${url}${path}?username=ada&password=${password}`, { method, headers: { cookie: `${cookie}; ${tokens.cookie}` } })
      t.equal(response.status, 404, `${method} ${path}`)
      t.same(response.headers.getSetCookie(), [])
    }
  }
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 200)
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie: tokens.cookie })).status, 200)
})

t.test('without an upstream for it, everything else is 404', async t => {
  const { url } = await startGateway(t)
  for (const path of ['/', '/ordersx', '/unknown', '/favicon.ico', '/AUTH/login', '/healthz', '/readyz', '/metrics', '/admin/sessions']) {
    for (const method of ['GET', 'POST']) await assertProblem(t, await fetch(`${url}${path}`, { method }), 404, 'PTC_ERR_NOT_FOUND', path)
  }
})
