import t, { type Test } from 'tap'
import { offline, openBrowser, type Browser } from '../helpers/browser-tabs.ts'
import { until } from '../helpers/build-app.ts'
import { password, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { startUpstream } from '../helpers/upstream.ts'

const ada = { username: 'ada', password }

async function start (t: Test): Promise<{ gateway: TestGateway, browser: Browser, orders: string }> {
  const gateway = await startGateway(t)
  return { gateway, browser: openBrowser(t, gateway.url), orders: `${gateway.url}/orders` }
}

t.test('a page signs in without ever seeing a token', async t => {
  const { gateway, browser, orders } = await start(t)
  const client = browser.open()

  t.match(await client.signIn(ada), { subject: 'ada' })
  t.equal((await client.fetch(orders)).status, 200)

  t.equal(gateway.orders.requests.length, 1)
  t.equal(browser.sent.every(({ authorization }) => authorization === null), true)
  t.equal(browser.count('/auth/refresh'), 0)
})

t.test('a page asks once who is signed in', async t => {
  const { browser } = await start(t)
  t.equal(await browser.open().session(), null)
  await browser.open().signIn(ada)
  const [client, before] = [browser.open(), browser.count('/auth/session')]

  t.match(await Promise.all([client.session(), client.session()]), [{ subject: 'ada' }, { subject: 'ada' }])
  t.match(await client.session(), { subject: 'ada' })

  t.equal(browser.count('/auth/session') - before, 1)
})

t.test('requests wait for nothing', async t => {
  const { browser, orders } = await start(t)
  await browser.open().signIn(ada)
  browser.next('/auth/session', offline)

  t.equal((await browser.open().fetch(orders)).status, 200)
})

t.test('a session that is over is found out by the request that is refused', async t => {
  const { gateway, browser, orders } = await start(t)
  let calls = 0
  const onSignedOut = (): void => { calls++ }
  const [client, other] = [browser.open({ onSignedOut }), browser.open({ onSignedOut })]
  const { sid } = await client.signIn(ada)
  await other.session()
  await gateway.app.portcullis.blocklist.close(sid)

  t.equal((await client.fetch(orders)).status, 401)

  await until(() => calls >= 2)
  t.equal(await client.session(), null)
  t.equal(await other.session(), null)
  t.equal(calls, 2)
})

t.test('what a service refuses by itself is left alone', async t => {
  const service = await startUpstream(t, (_request, response) => { response.writeHead(401).end('{}') })
  const gateway = await startGateway(t, { upstreams: [{ prefix: '/strict', target: service.url, audience: 'strict' }] })
  const browser = openBrowser(t, gateway.url)
  const client = browser.open()
  await client.signIn(ada)

  t.equal((await client.fetch(`${gateway.url}/strict`)).status, 401)

  t.equal(browser.count('/auth/session'), 0)
})

t.test('signing out reaches all tabs, those too that have only sent requests', async t => {
  const { browser, orders } = await start(t)
  const signedOut: string[] = []
  const tabs = ['first', 'second'].map(name => browser.open({ onSignedOut: () => { signedOut.push(name) } }))
  await tabs[0]!.signIn(ada)
  await tabs[1]!.fetch(orders)

  await tabs[0]!.signOut()

  await until(() => signedOut.length === 2)
  t.same(await Promise.all(tabs.map(async tab => await tab.session())), [null, null])
})

t.test('a page that does not know yet signs out all the same', async t => {
  const { browser } = await start(t)
  let isSignedOut = false
  const other = browser.open({ onSignedOut: () => { isSignedOut = true } })
  await other.signIn(ada)

  await browser.open().signOut()

  await until(() => isSignedOut)
  t.equal(await other.session(), null)
})

t.test('signing in as somebody else is heard in all tabs', async t => {
  const { browser } = await start(t)
  const [client, other] = [browser.open(), browser.open()]
  await client.signIn(ada)
  t.match(await other.session(), { subject: 'ada' })

  await client.signIn({ username: 'bob', password })

  await until(async () => (await other.session())?.subject === 'bob')
  t.pass()
})
