import t, { type Test } from 'tap'
import { openBrowser, type Browser } from '../helpers/browser-tabs.ts'
import { password, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { startUpstream } from '../helpers/upstream.ts'

const ada = { username: 'ada', password }
const refreshPath = '/auth/refresh'

async function start (t: Test, overrides: Parameters<typeof startGateway>[1] = {}): Promise<{ gateway: TestGateway, browser: Browser }> {
  const gateway = await startGateway(t, overrides)
  const browser = openBrowser(t, gateway.url)
  await browser.open({ mode: 'tokens' }).signIn(ada)
  return { gateway, browser }
}

t.test('a service that refuses a fresh token is not answered by a refresh each time, nor do two such services disturb each other', async t => {
  const { gateway: { url }, browser } = await start(t)
  const client = browser.open({ mode: 'tokens', audience: ['origin'] })
  await client.session()
  const before = browser.count(refreshPath)

  for (let round = 0; round < 5; round++) {
    for (const path of [`/orders/${round}`, `/billing?round=${round}`]) t.equal((await client.fetch(url + path)).status, 401)
  }
  t.same((await Promise.all(Array.from({ length: 5 }, async () => await client.fetch(`${url}/orders`)))).map(({ status }) => status), [401, 401, 401, 401, 401])

  t.equal(browser.count(refreshPath) - before, 2)
  t.match(await client.session(), { subject: 'ada' })
})

t.test('while there have been too many refreshes, requests whose token is good go on', async t => {
  const { gateway: { url }, browser } = await start(t, { rateLimit: { refresh: { max: 1, window: '1h' } } })
  const client = browser.open({ mode: 'tokens', audience: ['orders'] })

  t.equal((await client.fetch(`${url}/orders`)).status, 200)
  t.equal((await client.fetch(`${url}/billing`)).status, 401)
  t.equal((await client.fetch(`${url}/orders`)).status, 200)

  t.equal(browser.count(refreshPath), 2)
})

t.test('a 401 with a body that does not end is an answer', async t => {
  const { endless, url, browser } = await startEndless(t)
  const client = browser.open({ mode: 'tokens' })

  for (const type of ['application/problem+json', 'text/plain']) {
    const response = await client.fetch(`${url}/endless?type=${type}`)
    t.equal(response.status, 401)
    await response.body?.cancel()
  }
  t.equal(endless(), 3, 'the gateway might have refused the first')
  t.equal(browser.count(refreshPath), 2)
})

async function startEndless (t: Test): Promise<{ endless: () => number, url: string, browser: Browser }> {
  let count = 0
  const service = await startUpstream(t, (request, response) => {
    count++
    request.resume()
    response.writeHead(401, { 'content-type': new URL(request.url!, 'http://service').searchParams.get('type')!.replace(' ', '+'), 'www-authenticate': 'Bearer error="invalid_token"' })
    const timer = setInterval(() => response.write('{"code":'), 5)
    response.once('close', () => { clearInterval(timer) })
  })
  const { gateway, browser } = await start(t, { upstreams: [{ prefix: '/endless', target: service.url, audience: 'endless' }] })
  return { endless: () => count, url: gateway.url, browser }
}
