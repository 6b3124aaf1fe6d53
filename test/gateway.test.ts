import t from 'tap'
import type { Store } from '../stores/store.ts'
import { password, post, setCookies, signIn, signInForTokens, startGateway } from './helpers/build-gateway.ts'

t.test('a signed-in browser is proxied with a token for that upstream alone, until it signs out', async t => {
  const { url, orders } = await startGateway(t)
  const { cookie, sid } = await signIn(url)

  const proxied = await fetch(`${url}/orders/42?full=1`, { headers: { cookie: `${cookie}; theme=dark` } })
  t.equal(proxied.status, 200)
  const [received] = orders.requests
  t.match(received, { method: 'GET', url: '/orders/42?full=1', headers: { cookie: 'theme=dark' } })
  const claims = JSON.parse(Buffer.from(received?.headers.authorization?.split('.')[1] ?? '', 'base64url').toString()) as object
  t.match(claims, { iss: 'https://app.example.com', aud: 'orders', sub: 'ada', sid, scope: 'orders:read orders:write' })

  t.equal((await post(`${url}/auth/logout`, undefined, { cookie })).status, 204)
  const refused = await fetch(`${url}/orders/42`, { headers: { cookie } })
  t.equal(refused.status, 401)
  t.match(await refused.json(), { code: 'PTC_ERR_SESSION_INVALID' })
  t.equal(orders.requests.length, 1)
})

t.test('an access token is good at its upstreams, is refreshed, and is refused after sign-out', async t => {
  const { url } = await startGateway(t)
  const { cookie, token } = await signInForTokens(url)
  const headers = { authorization: `Bearer ${token}` }
  t.equal((await fetch(`${url}/orders`, { headers })).status, 200)

  const refreshed = await post(`${url}/auth/refresh`, undefined, { cookie })
  t.equal(refreshed.status, 200)
  const next = setCookies(refreshed)['__Secure-portcullis-refresh']
  t.ok(next)
  t.not(`__Secure-portcullis-refresh=${next ?? ''}`, cookie)

  t.equal((await post(`${url}/auth/logout`, undefined, { cookie })).status, 204)
  t.match(await (await fetch(`${url}/orders`, { headers })).json(), { code: 'PTC_ERR_TOKEN_INVALID' })
})

t.test('a wrong password and an unknown user are told apart by nothing', async t => {
  const { url } = await startGateway(t)
  const answers = await Promise.all(['wrong', `${password}x`].map(async wrong => {
    const response = await post(`${url}/auth/login`, { username: 'ada', password: wrong })
    return [response.status, await response.text()]
  }))
  t.same(answers[0], answers[1])
  t.equal(answers[0]?.[0], 401)
})

t.test('as many tokens and sessions are remembered as the configuration says', async t => {
  for (const [cacheSize, verified] of [[0, 2], [2, 1]] as const) {
    const { url, app } = await startGateway(t, { accessToken: { cacheSize } })
    const { token } = await signInForTokens(url)
    const before = app.portcullis.accessToken.checked

    for (let i = 0; i < 2; i++) t.equal((await fetch(`${url}/orders`, { headers: { authorization: `Bearer ${token}` } })).status, 200)

    t.equal(app.portcullis.accessToken.checked - before, verified)
  }
  for (const [cacheSize, reads] of [[1, 2], [8, 0]] as const) {
    let count = 0
    const { url } = await startGateway(t, { session: { cacheSize } }, {
      wrapStore: store => new Proxy(store, {
        get (target, name: keyof Store) {
          if (name === 'read') count++
          return Reflect.get(target, name) as unknown
        }
      })
    })
    const cookies = [(await signIn(url, 'ada')).cookie, (await signIn(url, 'bob')).cookie]
    const visit = async (): Promise<void> => { for (const cookie of cookies) t.equal((await fetch(`${url}/orders`, { headers: { cookie } })).status, 200) }
    await visit()
    count = 0

    await visit()

    t.equal(count, reads)
  }
})
