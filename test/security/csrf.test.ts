import t, { type Test } from 'tap'
import { origin, password, post, signIn, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { assertProblem } from '../helpers/problem.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { takeSnapshot } from '../../stores/contract/snapshot.ts'

/*
 * Another site makes the victim's browser send a request: it closes their sessions, uses up their refresh token, signs them in as
 * the attacker (so that what they enter lands in the attacker's account), or orders something at an upstream. The browser adds the
 * cookies; what it also adds, and no script can forge, is where the request comes from: Sec-Fetch-Site, and Origin. Sibling
 * sub-domains count as another site: they may be anybody's.
 */

const foreign: Array<Record<string, string>> = [
  { 'sec-fetch-site': 'cross-site' },
  { 'sec-fetch-site': 'same-site' },
  { 'sec-fetch-site': 'cross-site', origin },
  { 'sec-fetch-site': 'same-site', origin },
  { 'sec-fetch-site': 'zebra' },
  { 'sec-fetch-site': 'Same-Origin' },
  { 'sec-fetch-site': 'same-origin, cross-site' },
  { 'sec-fetch-site': '' },
  { origin: 'https://evil.example' },
  { origin: 'null' },
  { origin: '' },
  { origin: 'http://app.example.com' },
  { origin: `${origin}:8443` },
  { origin: `${origin}.evil.example` },
  { origin: `${origin}/` },
  { origin: 'https://APP.example.com' },
  { origin: 'https://evil-app.example.com' },
  { origin: 'https://other.example.com' }
]

const own: Array<Record<string, string>> = [
  {},
  { 'sec-fetch-site': 'same-origin' },
  { 'sec-fetch-site': 'none' },
  { 'sec-fetch-site': 'same-origin', origin },
  { 'sec-fetch-site': 'same-origin', origin: 'null' },
  { origin }
]

interface StateChange { what: string, send: (gateway: TestGateway, headers: Record<string, string>) => Promise<Response> }

const stateChanges: StateChange[] = [
  { what: 'sign-in without a cookie', send: async ({ url }, headers) => await post(`${url}/auth/login`, { username: 'ada', password }, headers) },
  { what: 'sign-in over a session', send: async ({ url }, headers) => await post(`${url}/auth/login`, { username: 'ada', password }, { ...headers, cookie: (await signIn(url, 'bob')).cookie }) },
  { what: 'refresh', send: async ({ url }, headers) => await post(`${url}/auth/refresh`, undefined, { ...headers, cookie: (await signInForTokens(url)).cookie }) },
  { what: 'sign-out with a session cookie', send: async ({ url }, headers) => await post(`${url}/auth/logout`, undefined, { ...headers, cookie: (await signIn(url)).cookie }) },
  { what: 'sign-out with a refresh cookie', send: async ({ url }, headers) => await post(`${url}/auth/logout`, { scope: 'all' }, { ...headers, cookie: (await signInForTokens(url)).cookie }) },
  { what: 'sign-out with a bearer token', send: async ({ url }, headers) => await post(`${url}/auth/logout`, undefined, { ...headers, authorization: `Bearer ${(await signInForTokens(url)).token}` }) },
  { what: 'sign-out without a credential', send: async ({ url }, headers) => await post(`${url}/auth/logout`, undefined, headers) },
  {
    what: 'ending a session',
    send: async ({ url }, headers) => {
      const [{ cookie }, { sid }] = [await signIn(url), await signIn(url)]
      return await fetch(`${url}/auth/sessions/${sid}`, { method: 'DELETE', headers: { ...headers, cookie } })
    }
  },
  {
    what: 'ending a session with a bearer token',
    send: async ({ url }, headers) => {
      const { token, sid } = await signInForTokens(url)
      return await fetch(`${url}/auth/sessions/${sid}`, { method: 'DELETE', headers: { ...headers, authorization: `Bearer ${token}` } })
    }
  }
]

for (const { what, send } of stateChanges) {
  t.test(`${what} is refused when another site caused it, and changes nothing`, async t => {
    const gateway = await startGateway(t, { session: { maxPerSubject: 1000 } })
    for (const headers of foreign) {
      const response = await send(gateway, headers)
      t.same(response.headers.getSetCookie(), [], JSON.stringify(headers))
      await assertProblem(t, response, 403, 'PTC_ERR_CSRF_REFUSED', JSON.stringify(headers))
      t.same((await takeSnapshot(gateway.store)).revocations, [])
    }
    for (const headers of own) t.ok((await send(gateway, headers)).ok, JSON.stringify(headers))
  })
}

t.test('a refused refresh does not use the token up', async t => {
  const { url } = await startGateway(t, { refreshToken: { overlap: '0s', retryWindow: '0s' } })
  const { cookie } = await signInForTokens(url)
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie, 'sec-fetch-site': 'cross-site' })).status, 403)
  t.equal((await post(`${url}/auth/refresh`, undefined, { cookie })).status, 200)
})

t.test('the check comes before the body: a form of another site is 403, not 415', async t => {
  const { url } = await startGateway(t)
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/json']) {
    const response = await fetch(`${url}/auth/login`, { method: 'POST', headers: { 'content-type': type, 'sec-fetch-site': 'cross-site' }, body: 'x' })
    await assertProblem(t, response, 403, 'PTC_ERR_CSRF_REFUSED')
  }
})

t.test('reading is left to the same-origin policy: no answer of ours is for other origins', async t => {
  const { url } = await startGateway(t)
  const { cookie } = await signIn(url)
  for (const path of ['/auth/session', '/auth/sessions', '/orders', '/.well-known/jwks.json']) {
    const response = await fetch(`${url}${path}`, { headers: { cookie, origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' } })
    t.equal(response.status, 200)
    t.same([...response.headers.keys()].filter(name => name.startsWith('access-control')), [])
  }
})

t.test('an upstream gets no unsafe request with the session cookie that another site caused', async t => {
  const target = await startUpstream(t)
  for (const access of ['any', 'session', 'public'] as const) {
    const { url } = await startGateway(t, { upstreams: [{ prefix: '/up', target: target.url, audience: 'up', access }] })
    const { cookie } = await signIn(url)
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
      for (const headers of foreign) {
        const response = await fetch(`${url}/up`, { method, headers: { ...headers, cookie } })
        await assertProblem(t, response, 403, 'PTC_ERR_CSRF_REFUSED', `${access} ${method} ${JSON.stringify(headers)}`)
      }
      t.same(target.requests.splice(0), [])
      for (const headers of own) t.equal((await fetch(`${url}/up`, { method, headers: { ...headers, cookie } })).status, 200, `${access} ${method} ${JSON.stringify(headers)}`)
      target.requests.length = 0
    }
    for (const method of ['GET', 'HEAD', 'OPTIONS']) {
      t.equal((await fetch(`${url}/up`, { method, headers: { cookie, 'sec-fetch-site': 'cross-site' } })).status, 200, `${access} ${method}: a link of another site`)
    }
    target.requests.length = 0
  }
})

t.test('a dead, forged or doubled session cookie is checked like a good one', async t => {
  const target = await startUpstream(t)
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/up', target: target.url, access: 'public' }] })
  for (const cookie of ['__Host-Http-portcullis=x', '__Host-Http-portcullis=', '__Host-Http-portcullis=a; __Host-Http-portcullis=b']) {
    await assertProblem(t, await post(`${url}/up`, undefined, { cookie, 'sec-fetch-site': 'cross-site' }), 403, 'PTC_ERR_CSRF_REFUSED')
  }
  t.same(target.requests, [])
})

t.test('a bearer token is no browser\'s own credential: it passes at upstreams wherever it comes from', async t => {
  const { url } = await startGateway(t)
  const { token } = await signInForTokens(url)
  for (const headers of [{ 'sec-fetch-site': 'cross-site', origin: 'https://spa.example' }, { origin: 'null' }] as Array<Record<string, string>>) {
    t.equal((await post(`${url}/orders`, { a: 1 }, { ...headers, authorization: `Bearer ${token}` })).status, 200)
  }
})

/** What forms, pictures and scripts of a page can send without asking, and what they cannot. */
const bodies: Array<[type: string | null, body: string]> = [
  [null, ''], [null, 'x'], ['text/plain', '{"a":1}'], ['text/plain; charset=utf-8', '{"a":1}'], ['application/x-www-form-urlencoded', 'a=1&_csrf=x'], ['multipart/form-data; boundary=b', '--b--'], ['application/json', '{"a":1}'],
  ['application/csp-report', '{}'], ['application/json; charset=utf-8', '{}'], ['text/plain; application/json', '{}'], ['text/plain,application/json', '{}'], ['APPLICATION/JSON', '{}'], ['application/json ;', '{}'], ['zebra', '{}'], ['', '{}']
]

const raw = async (t: Test, url: string, line: string, head: string[], body: string): Promise<string> =>
  await sendRaw(t, Number(new URL(url).port), [`${line} HTTP/1.1`, 'Host: app.example.com', 'Connection: close', `Content-Length: ${body.length}`, ...head, '', body].join('\r\n')).ended

t.test('no content type and no method makes a request of another site one of ours', async t => {
  const target = await startUpstream(t)
  const { url, store } = await startGateway(t, { upstreams: [{ prefix: '/up', target: target.url, audience: 'up' }] })
  const { cookie, sid } = await signIn(url)
  const routes = ['/up', '/auth/login', '/auth/logout', '/auth/refresh', '/auth/step-up'].map(path => `POST ${path}`)
  const lines = [...routes, `DELETE /auth/sessions/${sid}`, 'PUT /up', 'PATCH /up', 'DELETE /up', 'PROPFIND /up', 'MKCOL /up', 'QUERY /up']
  for (const line of lines) {
    for (const [type, body] of bodies) {
      for (const from of ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Site: same-site', 'Origin: null', 'Origin: https://evil.example']) {
        const head = [`Cookie: ${cookie}`, from, 'X-Requested-With: XMLHttpRequest', 'X-CSRF-Token: x', ...type === null ? [] : [`Content-Type: ${type}`]]
        t.match(await raw(t, url, line, head, body), /^HTTP\/1\.1 403 [^]*PTC_ERR_CSRF_REFUSED/, `${line} ${String(type)} ${from}`)
      }
    }
  }
  t.same(target.requests, [])
  t.ok(await store.read(sid))
})

t.test('a header that says where a request comes from twice, or in another case, is believed in no favour of it', async t => {
  const target = await startUpstream(t)
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/up', target: target.url, audience: 'up' }] })
  const { cookie } = await signIn(url)
  for (const head of [
    ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: cross-site'], ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Site: same-origin'], ['Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: same-origin'], ['SEC-FETCH-SITE: cross-site'],
    ['Sec-Fetch-Site: SAME-ORIGIN'], ['Sec-Fetch-Site: "same-origin"'], ['Sec-Fetch-Site: same-origin;x'], ['Sec-Fetch-Site:'], [`Origin: ${origin}`, 'Origin: https://evil.example'], ['Origin: https://evil.example', `Origin: ${origin}`], [`Origin: ${origin} https://evil.example`],
    ['ORIGIN: https://evil.example'], [`Origin: ${origin}`, 'Sec-Fetch-Site: cross-site'], [`Origin: ${origin.toUpperCase()}`], [`Origin: ${origin}.`], ['Origin: http://app.example.com:443'], ['Origin: file://'], ['Origin:'],
    [`Referer: ${origin}/`, 'Origin: https://evil.example'], ['X-Forwarded-Host: evil.example', 'Origin: https://evil.example'], ['Host: evil.example', 'Origin: https://evil.example']
  ]) {
    for (const line of ['POST /up', 'POST /auth/logout']) {
      t.match(await raw(t, url, line, [`Cookie: ${cookie}`, ...head], ''), /^HTTP\/1\.1 (?:403 [^]*PTC_ERR_CSRF_REFUSED|400 [^]*exactly one Host)/, `${line} ${head.join(' | ')}`)
    }
  }
  t.same(target.requests, [])
  t.equal((await fetch(`${url}/auth/session`, { headers: { cookie } })).status, 200)
})
