import t, { type Test } from 'tap'
import { openBrowser, type Browser } from '../helpers/browser-tabs.ts'
import { until } from '../helpers/build-app.ts'
import { password, startGateway } from '../helpers/build-gateway.ts'

const ada = { username: 'ada', password }
const bob = { username: 'bob', password }

async function start (t: Test): Promise<{ browser: Browser, orders: string }> {
  const gateway = await startGateway(t)
  return { browser: openBrowser(t, gateway.url), orders: `${gateway.url}/orders` }
}

t.test('a page in tokens mode uses the session that another page has opened', async t => {
  const { browser, orders } = await start(t)
  await browser.open({ mode: 'session' }).signIn(ada)
  const client = browser.open({ mode: 'tokens' })

  t.match(await client.session(), { subject: 'ada' })
  t.equal((await client.fetch(orders)).status, 200)

  t.equal(browser.sent.at(-1)!.authorization, null)
})

t.test('a tab in tokens mode follows a sign-in in session mode of another tab', async t => {
  const { browser, orders } = await start(t)
  let isSignedOut = false
  const tab = browser.open({ mode: 'tokens', onSignedOut: () => { isSignedOut = true } })
  await tab.signIn(ada)
  const { sid } = await browser.open({ mode: 'session' }).signIn(bob)

  await until(async () => (await tab.session())?.sid === sid)
  t.equal((await tab.fetch(orders)).status, 200)

  t.equal(isSignedOut, false)
})

t.test('a tab in tokens mode that is told nothing finds out about a session cookie by its next request', async t => {
  const { browser, orders } = await start(t)
  const tab = browser.open({ mode: 'tokens' })
  await tab.signIn(ada)
  const page = browser.open({ mode: 'session' })
  // It is closed before it could tell: as the sign-in page, which has no client.
  const signedIn = page.fetch(orders.replace('/orders', '/auth/login'), { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ ...ada, mode: 'session' }) })
  t.equal((await signedIn).status, 200)

  t.equal((await tab.fetch(orders, { method: 'POST', body: 'three apples' })).status, 200)

  t.equal(browser.sent.at(-1)!.authorization, null)
})

t.test('a tab in session mode is told when another tab signs in in tokens mode, and never gets a token', async t => {
  const { browser, orders } = await start(t)
  let isSignedOut = false
  const tab = browser.open({ mode: 'session', onSignedOut: () => { isSignedOut = true } })
  await tab.signIn(ada)
  const tokens = browser.open({ mode: 'tokens' })
  await tokens.signIn(bob)

  await until(() => isSignedOut)

  t.equal(await tab.session(), null)
  t.equal((await tab.fetch(orders)).status, 401)
  t.equal((await tokens.fetch(orders)).status, 200)
  t.equal(browser.count('/auth/refresh'), 0)
})
