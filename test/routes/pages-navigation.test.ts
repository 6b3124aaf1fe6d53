import t, { type Test } from 'tap'
import { post, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { navigation, open, titleOf } from '../helpers/forms.ts'
import { createOutage } from '../helpers/outage.ts'
import { assertProblem } from '../helpers/problem.ts'
import { send } from '../helpers/send.ts'
import { startUpstream } from '../helpers/upstream.ts'
import type { Store } from '../../stores/store.ts'

async function assertPage (t: Test, response: Response, status: number, code: string): Promise<string> {
  const text = await response.text()
  t.equal(response.status, status, text)
  t.equal(response.headers.get('content-type'), 'text/html; charset=utf-8')
  t.match(response.headers.get('content-security-policy'), /default-src 'none'/)
  t.match(text, new RegExp(`^<!doctype html>[^]*<code>${code}</code>[^]*Request <code>${response.headers.get('x-request-id')!}</code>`))
  return text
}

t.test('a navigation without a session is led to the sign-in page, and nothing is forwarded', async t => {
  const { url, orders } = await startGateway(t, { pages: true })
  const { cookie } = await signIn(url)
  await post(`${url}/auth/logout`, undefined, { cookie })

  for (const headers of [{}, { cookie }, { cookie: '__Host-Http-portcullis=garbage' }, { authorization: 'Basic eDp5' }] as Array<Record<string, string>>) {
    const response = await open(`${url}/orders/42?a=b&c=%2F`, { ...navigation, ...headers })
    t.equal(response.status, 303, Object.keys(headers).join())
    t.equal(response.headers.get('location'), '/auth/sign-in?return_to=%2Forders%2F42%3Fa%3Db%26c%3D%252F')
    t.equal(response.headers.get('cache-control'), 'no-store')
    t.equal(response.headers.get('www-authenticate'), null)
    t.match(response.headers.get('strict-transport-security'), /^max-age=/)
    t.same(response.headers.getSetCookie(), [])
    t.equal(await response.text(), '')
  }
  t.equal(orders.requests.length, 0)
  t.equal((await open(`${url}/orders?q=${'x'.repeat(12_300)}`, navigation)).headers.get('location'), '/auth/sign-in', 'what is too long is not led back to')
})

t.test('what is no navigation is told the problem', async t => {
  const { url } = await startGateway(t, { pages: true })

  t.match(await assertPage(t, await open(`${url}/orders`, { ...navigation, 'sec-fetch-dest': 'iframe' }), 401, 'PTC_ERR_CREDENTIALS_MISSING'), /<h1>/, 'a frame is not led to the sign-in')
  for (const headers of [{}, { 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' }, { accept: 'text/html' }] as Array<Record<string, string>>) {
    await assertProblem(t, await open(`${url}/orders`, headers), 401, 'PTC_ERR_CREDENTIALS_MISSING', JSON.stringify(headers))
  }
  for (const method of ['POST', 'HEAD', 'OPTIONS']) t.equal((await send(method, `${url}/orders`, { headers: Object.entries(navigation).flat() })).status, 401, method)
})

t.test('a navigation that is refused for another reason is shown the problem as a page', async t => {
  const outage = createOutage()
  const { url } = await startGateway(t, { pages: true, revocation: { consistency: 'strict' }, identity: async ({ username }) => ({ subject: username, scopes: [] }) }, { wrapStore: outage.wrapStore })
  const { cookie } = await signIn(url)
  const { token } = await signInForTokens(url)

  await assertPage(t, await open(`${url}/orders`, { ...navigation, cookie }), 403, 'PTC_ERR_SCOPE_INSUFFICIENT')
  await assertPage(t, await open(`${url}/orders`, { ...navigation, cookie, authorization: `Bearer ${token}` }), 400, 'PTC_ERR_CREDENTIALS_AMBIGUOUS')
  await assertPage(t, await open(`${url}/orders`, { ...navigation, cookie: `${cookie}; ${cookie}` }), 400, 'PTC_ERR_COOKIE_DUPLICATE')
  await assertPage(t, await open(`${url}/orders`, { ...navigation, authorization: 'Bearer garbage' }), 401, 'PTC_ERR_TOKEN_INVALID')
  await assertPage(t, await open(`${url}/nowhere`, navigation), 404, 'PTC_ERR_NOT_FOUND')
  outage.begin()
  await assertPage(t, await open(`${url}/billing`, { ...navigation, cookie }), 503, 'PTC_ERR_STORE_UNAVAILABLE')
  outage.end()
})

t.test('where signing in would not help, nobody is sent to it', async t => {
  const upstream = await startUpstream(t)
  const { url } = await startGateway(t, {
    pages: true,
    upstreams: [
      { prefix: '/api', target: upstream.url, audience: 'api', access: 'token' },
      { prefix: '/shop', target: upstream.url, audience: 'shop', access: 'public' },
      { prefix: '/registry', target: upstream.url, audience: 'registry', access: 'session', authorization: 'keep', forward: 'headers' }
    ]
  })
  const { cookie } = await signIn(url)

  for (const headers of [{}, { cookie }] as Array<Record<string, string>>) await assertPage(t, await open(`${url}/api`, { ...navigation, ...headers }), 401, 'PTC_ERR_CREDENTIALS_MISSING')
  t.equal((await open(`${url}/shop`, navigation)).status, 200)
  t.equal((await open(`${url}/registry`, { ...navigation, authorization: 'Bearer of-the-registry' })).status, 303, 'a header that is the service\'s own is no credential here')
})

t.test('a navigation that needs a recent sign-in is led to the password, and back after it', async t => {
  const upstream = await startUpstream(t)
  const { url, advance } = await startGateway(t, { pages: true, upstreams: [{ prefix: '/vault', target: upstream.url, audience: 'vault', stepUp: { maxAge: '5m' } }] })
  const { cookie } = await signIn(url)
  const { token } = await signInForTokens(url)
  advance(600_000)

  const response = await open(`${url}/vault/1`, { ...navigation, cookie })
  t.equal(response.status, 303)
  t.equal(response.headers.get('location'), '/auth/sign-in?step_up=1&return_to=%2Fvault%2F1')
  const page = await open(`${url}${response.headers.get('location')}`, { ...navigation, cookie })
  t.equal(page.status, 200, 'it does not lead back by itself')
  t.match(titleOf(await page.text()), 'Confirm that it is you')
  await assertPage(t, await open(`${url}/vault/1`, { ...navigation, authorization: `Bearer ${token}` }), 401, 'PTC_ERR_STEP_UP_REQUIRED')
  await assertProblem(t, await open(`${url}/vault/1`, { cookie }), 401, 'PTC_ERR_STEP_UP_REQUIRED')
})

t.test('a session that was revoked elsewhere a moment ago is not sent to and fro', async t => {
  // The process does not hear of it in time.
  const wrapStore = (store: Store): Store => new Proxy(store, {
    get (target, name) {
      if (name === 'pull') return async (position: string) => ({ position, entries: [], gap: false })
      const member: unknown = Reflect.get(target, name)
      return typeof member === 'function' ? member.bind(target) as unknown : member
    }
  })
  const { url, store } = await startGateway(t, { pages: true, revocation: { maxStaleness: '60s' }, upstreams: [{ prefix: '/strict', target: 'http://127.0.0.1:9', audience: 'strict', revocation: { consistency: 'strict' } }] }, { wrapStore })
  const { cookie, sid } = await signIn(url)
  t.equal((await open(`${url}/auth/session`, { cookie })).status, 200)
  await store.close(sid, { maxTokenAgeMs: 1000 })

  const response = await open(`${url}/strict`, { ...navigation, cookie })

  t.equal(response.status, 303)
  t.equal((await open(`${url}${response.headers.get('location')}`, { ...navigation, cookie })).status, 200)
})

t.test('a budget of the upstream counts navigations that are led away', async t => {
  const upstream = await startUpstream(t)
  const { url } = await startGateway(t, { pages: true, upstreams: [{ prefix: '/orders', target: upstream.url, audience: 'orders', rateLimit: { max: 1, window: '1h' } }] })

  t.equal((await open(`${url}/orders`, { ...navigation, cookie: '__Host-Http-portcullis=garbage' })).status, 303)
  await assertPage(t, await open(`${url}/orders`, { ...navigation, cookie: '__Host-Http-portcullis=garbage' }), 429, 'PTC_ERR_RATE_LIMITED')
})

t.test('a form that is posted without a session is told that nothing was done, and where to sign in', async t => {
  const { url } = await startGateway(t, { pages: true })
  const headers = Object.entries({ ...navigation, 'sec-fetch-site': 'same-origin' }).flat()
  const post = async (path: string): Promise<string> => {
    const { status, headers: answered, text } = await send('POST', url + path, { headers, body: 'a=1' })
    t.equal(answered['content-type'], 'text/html; charset=utf-8', `${path}: ${status}`)
    return text
  }

  t.match(await post('/orders'), /nothing was done\. <a href="\/auth\/sign-in">Sign in<\/a>/)
  t.match(await post('/orders'), /<code>PTC_ERR_CREDENTIALS_MISSING<\/code>/)
  t.notMatch(await post('/nowhere'), /<a /)
})

t.test('a page of a problem repeats nothing of the request', async t => {
  const { url } = await startGateway(t, { pages: true })
  for (const path of ['/orders/..%2f<script>', '/<script>alert(1)</script>', '/nowhere?<b>', '/%00']) {
    const text = await (await open(`${url}${path}`, navigation)).text()
    t.notMatch(text, /script>|alert|<b>/, path)
  }
})
