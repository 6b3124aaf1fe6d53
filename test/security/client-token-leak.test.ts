import { readdir, readFile } from 'node:fs/promises'
import t from 'tap'
import { openBrowser } from '../helpers/browser-tabs.ts'
import { decode, until } from '../helpers/build-app.ts'
import { password, startGateway } from '../helpers/build-gateway.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * A page fetches from many origins, with one function for all of them. Were the access token attached to a request that goes to
 * another origin, directly or by a redirect that an attacker has found, whoever is there could use it at the gateway. Kept in
 * storage, it would be there for every script that runs in the page later. And a request that one user began must not be
 * sent again in the name of the one who has signed in since, in another tab.
 */

const ada = { username: 'ada', password }
const mode = 'tokens'

t.test('the token goes to the gateway\'s origin alone', async t => {
  const [gateway, other] = [await startGateway(t), await startUpstream(t)]
  const client = openBrowser(t, gateway.url).open({ mode })
  await client.signIn(ada)
  const { port } = new URL(gateway.url)
  const elsewhere = [other.url, `${other.url}/?${gateway.url}/`, `${other.url}#${gateway.url}`, `http://127.0.0.1:${other.port}/${gateway.url}/orders`, new URL(`//127.0.0.1:${other.port}`, gateway.url)]

  for (const url of elsewhere) t.equal((await client.fetch(url)).status, 200)
  t.equal((await client.fetch(new Request(other.url, { method: 'POST', body: 'apples' }))).status, 200)
  await t.rejects(client.fetch(`http://127.0.0.1:${port}@127.0.0.1:${other.port}/`), 'a URL with a user name is no request')

  t.equal(other.requests.length, elsewhere.length + 1)
  t.same(other.requests.filter(({ headers }) => headers.authorization !== undefined), [])
})

t.test('the token does not follow a redirect to another origin', async t => {
  const other = await startUpstream(t)
  const service = await startUpstream(t, (_request, response) => { response.writeHead(307, { location: other.url }).end() })
  const gateway = await startGateway(t, { upstreams: [{ prefix: '/orders', target: service.url, audience: 'orders' }] })
  const client = openBrowser(t, gateway.url).open({ mode })
  await client.signIn(ada)

  t.equal((await client.fetch(`${gateway.url}/orders`)).status, 200)

  t.equal(other.requests.length, 1)
  t.equal(other.requests[0]!.headers.authorization, undefined)
})

t.test('an Authorization of the page\'s own stays what it is', async t => {
  const gateway = await startGateway(t)
  const browser = openBrowser(t, gateway.url)
  const client = browser.open({ mode })
  await client.signIn(ada)
  const headers = { authorization: 'Basic b3duOm93bg==' }

  await client.fetch(`${gateway.url}/orders`, { headers })
  await client.fetch(new Request(`${gateway.url}/orders`, { headers }))

  t.same(browser.sent.slice(1).map(({ authorization }) => authorization), [headers.authorization, headers.authorization])
})

t.test('what one user has begun is not sent again in the name of another', async t => {
  const gateway = await startGateway(t)
  const browser = openBrowser(t, gateway.url)
  const [client, other] = [browser.open({ mode }), browser.open({ mode })]
  await client.signIn(ada)
  // The answer to ada's request comes when bob has signed in on the same browser.
  browser.next('/orders', async send => {
    await other.signIn({ username: 'bob', password })
    await until(async () => (await client.session())?.subject === 'bob')
    return await send()
  })

  const response = await client.fetch(`${gateway.url}/orders`, { method: 'POST', body: 'three apples' })

  t.equal(response.status, 401)
  t.equal(gateway.orders.requests.length, 0)
  t.same(browser.sent.filter(({ path }) => path === '/orders').map(({ authorization }) => decode(authorization!.slice(7)).claims['sub']), ['ada'])
})

t.test('nothing of the client can keep a token, and nothing of it asks what time it is', async t => {
  const folder = new URL('../../client/', import.meta.url)
  const sources = await Promise.all((await readdir(folder)).filter(name => name.endsWith('.ts')).map(async name => await readFile(new URL(name, folder), 'utf8')))

  t.ok(sources.length > 5)
  for (const source of sources) t.notMatch(source, /localStorage|sessionStorage|indexedDB|\bcaches\b|document\.|cookieStore|\bDate\b|globalThis\.\w+ =/)
})
