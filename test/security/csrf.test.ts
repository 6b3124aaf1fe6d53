import t from 'tap'
import { origin, password, post, signIn, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { assertProblem } from '../helpers/problem.ts'
import { startUpstream } from '../helpers/upstream.ts'

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
      t.same((await gateway.store.snapshot()).revocations, [])
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
  for (const cookie of ['__Host-portcullis=x', '__Host-portcullis=', '__Host-portcullis=a; __Host-portcullis=b']) {
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
