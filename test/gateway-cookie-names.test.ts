import t from 'tap'
import { cookieNames } from '../lib/http/own-cookies.ts'
import { password, post, setCookies, signIn, signInForTokens, startGateway } from './helpers/build-gateway.ts'
import { startUpstream } from './helpers/upstream.ts'

t.test('a deployment with a name of cookies sets, reads and clears cookies by that name alone, and its services see none of them', async t => {
  const service = await startUpstream(t)
  const { url } = await startGateway(t, { cookies: { name: 'orders' }, upstreams: [{ prefix: '/named', target: service.url, audience: 'named' }] })

  const opened = setCookies(await post(`${url}/auth/login`, { username: 'ada', password }))
  t.same(Object.keys(opened), ['__Host-Http-orders'])
  const cookie = `__Host-Http-orders=${opened['__Host-Http-orders'] ?? ''}`
  const foreign = '__Host-Http-portcullis=of-another-deployment'
  t.equal((await fetch(`${url}/named`, { headers: { cookie: `${foreign}; ${cookie}; a=1` } })).status, 200)
  t.equal(service.requests.at(-1)?.headers.cookie, `${foreign}; a=1`)
  t.equal((await fetch(`${url}/named`, { headers: { cookie: cookie.replace('orders', 'portcullis') } })).status, 401)
  t.same(Object.keys(setCookies(await post(`${url}/auth/logout`, undefined, { cookie: `${cookie}; ${foreign}` }))), ['__Host-Http-orders', '__Secure-orders-refresh'])
})

t.test('two deployments on one host cannot be given names under which one would read, or delete, a cookie of the other', async t => {
  for (const name of ['http-orders', 'Http-orders', 'HTTP-x', 'orders-refresh', 'orders-Refresh', 'orders-DEVICE']) {
    await t.rejects(startGateway(t, { cookies: { name } }), { message: /cookies\.name: must be letters, digits, - and _/ }, name)
  }
  const names = ['orders', 'x', 'http', 'httpx', 'x-http-orders']
  const all = names.flatMap(name => Object.values(cookieNames(name, true)).flatMap(({ name, former }) => [name, former ?? []].flat()))
  t.equal(new Set(all.map(name => name.toLowerCase())).size, all.length)
})

t.test('a browser that was signed in by the first release stays signed in, and a fresh sign-in or sign-out takes the old cookie away', async t => {
  const { url } = await startGateway(t)
  const { cookie, sid } = await signIn(url)
  const former = cookie.replace('__Host-Http-', '__Host-')

  t.equal((await fetch(`${url}/orders`, { headers: { cookie: former } })).status, 200)
  const renewed = await post(`${url}/auth/step-up`, { password }, { cookie: former })
  const set = renewed.headers.getSetCookie()
  t.match(set, [new RegExp(`^__Host-Http-portcullis=${sid}\\.`), /^__Host-portcullis=; Max-Age=0/])
  t.equal((await fetch(`${url}/orders`, { headers: { cookie: former } })).status, 401, 'the secret was replaced')
  const current = set[0]!.split(';')[0]!
  t.same((await post(`${url}/auth/logout`, undefined, { cookie: `${current}; ${former}` })).headers.getSetCookie().map(line => line.split('=')[0]), ['__Host-Http-portcullis', '__Host-portcullis', '__Secure-portcullis-refresh'])
  await signInForTokens(url)
})
