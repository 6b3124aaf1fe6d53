import t, { type Test } from 'tap'
import type { Client, ClientError } from '../../client/index.ts'
import { held, lost, offline, openBrowser, type Browser } from '../helpers/browser-tabs.ts'
import { createFaultyStore, decode, until, type FaultyStore } from '../helpers/build-app.ts'
import { password, startGateway, type StartOptions, type TestGateway } from '../helpers/build-gateway.ts'
import { startUpstream } from '../helpers/upstream.ts'

const ada = { username: 'ada', password }
const refreshPath = '/auth/refresh'
const mode = 'tokens'

async function start (t: Test, overrides: Parameters<typeof startGateway>[1] = {}, options?: StartOptions): Promise<{ gateway: TestGateway, browser: Browser, orders: string }> {
  const gateway = await startGateway(t, overrides, options)
  return { gateway, browser: openBrowser(t, gateway.url), orders: `${gateway.url}/orders` }
}

/** Makes the token that was sent last worthless. */
async function revokeToken ({ app }: TestGateway, { sent }: Browser): Promise<void> {
  const token = sent.findLast(({ authorization }) => authorization !== null)!.authorization!.slice('Bearer '.length)
  const { jti, exp } = decode(token).claims as { jti: string, exp: number }
  await app.portcullis.blocklist.revoke({ jti, expiresAt: exp })
}

async function revokeSession ({ app }: TestGateway, client: Client): Promise<void> {
  await app.portcullis.blocklist.close((await client.session())!.sid)
}

const bearerCount = ({ sent }: Browser): number => new Set(sent.flatMap(({ authorization }) => authorization ?? [])).size

t.test('a page signs in, and its requests carry the token', async t => {
  const { gateway, browser, orders } = await start(t)
  const client = browser.open({ mode })

  const session = await client.signIn(ada)
  const response = await client.fetch(orders)

  t.match(session, { subject: 'ada' })
  t.same(await client.session(), session)
  t.equal(response.status, 200)
  t.equal(gateway.orders.requests.length, 1)
  t.equal(browser.count(refreshPath), 0)
})

t.test('a wrong password is told by its code, and changes nothing', async t => {
  const { browser } = await start(t)
  const client = browser.open({ mode })
  await client.signIn(ada)

  await t.rejects(client.signIn({ username: 'ada', password: 'wrong' }), { code: 'PTC_ERR_LOGIN_REFUSED', status: 401, retryAfter: null })

  t.match(await client.session(), { subject: 'ada' })
})

t.test('a page that is loaded anew asks once who is signed in', async t => {
  const { browser, orders } = await start(t)
  t.equal(await browser.open({ mode }).session(), null)
  await browser.open({ mode }).signIn(ada)
  const [client, before] = [browser.open({ mode }), browser.count(refreshPath)]

  const [session, response] = await Promise.all([client.session(), client.fetch(orders), client.fetch(orders)])

  t.match(session, { subject: 'ada' })
  t.equal(response.status, 200)
  t.match(await client.session(), { subject: 'ada' })
  t.equal(browser.count(refreshPath) - before, 1)
})

t.test('a page that nobody is signed in on sends requests as they are', async t => {
  const { browser, orders } = await start(t)
  const client = browser.open({ mode })

  t.equal((await client.fetch(orders)).status, 401)
  t.equal((await client.fetch(orders)).status, 401)

  t.equal(browser.count(refreshPath), 1)
  t.equal(bearerCount(browser), 0)
})

t.test('three tabs whose tokens expire at the same moment make one refresh', async t => {
  const { browser, orders } = await start(t)
  browser.tell({ expires_in: 1, refresh_in: 1 })
  const tabs = [browser.open({ mode }), browser.open({ mode }), browser.open({ mode })]
  await tabs[0]!.signIn(ada)
  const sessions = await Promise.all(tabs.map(async tab => await tab.session()))
  t.equal(new Set(sessions.map(session => session!.sid)).size, 1)
  const before = browser.count(refreshPath)
  browser.tell({})
  await new Promise(resolve => setTimeout(resolve, 1100))

  const responses = await Promise.all(tabs.map(async tab => await tab.fetch(orders)))

  t.same(responses.map(({ status }) => status), [200, 200, 200])
  t.equal(browser.count(refreshPath) - before, 1)
})

t.test('three tabs that are loaded at the same moment make one refresh', async t => {
  const { browser } = await start(t)
  await browser.open({ mode }).signIn(ada)
  const tabs = [browser.open({ mode }), browser.open({ mode }), browser.open({ mode })]

  const sessions = await Promise.all(tabs.map(async tab => await tab.session()))

  t.equal(sessions.every(session => session?.subject === 'ada'), true)
  t.equal(browser.count(refreshPath), 1)
})

t.test('a page refreshes ahead of expiry, but not for ever while nothing uses its token', async t => {
  const { browser, orders } = await start(t)
  browser.tell({ refresh_in: 0.05 })
  const client = browser.open({ mode })
  await client.signIn(ada)
  await until(() => browser.count(refreshPath) === 1)
  // Longer than two more would take.
  await new Promise(resolve => setTimeout(resolve, 400))
  t.equal(browser.count(refreshPath), 1)

  await client.fetch(orders)

  await until(() => browser.count(refreshPath) === 2)
})

t.test('a refused token is answered by one refresh and one retry, body and all', async t => {
  const { gateway, browser, orders } = await start(t)
  const client = browser.open({ mode })
  await client.signIn(ada)
  await client.fetch(orders)
  await revokeToken(gateway, browser)

  const response = await client.fetch(new Request(orders, { method: 'POST', body: 'three apples' }))

  t.equal(response.status, 200)
  t.match(gateway.orders.requests.slice(1), [{ method: 'POST', body: 'three apples' }])
  t.equal(gateway.orders.requests.length, 2)
  t.equal(browser.count(refreshPath), 1)
})

t.test('requests that are refused together share one refresh', async t => {
  const { gateway, browser, orders } = await start(t)
  const client = browser.open({ mode })
  await client.signIn(ada)
  await client.fetch(orders)
  await revokeToken(gateway, browser)

  const responses = await Promise.all(Array.from({ length: 5 }, async () => await client.fetch(orders)))

  t.same(responses.map(({ status }) => status), [200, 200, 200, 200, 200])
  t.equal(browser.count(refreshPath), 1)
})

t.test('a stream is not sent twice; the token is renewed all the same', async t => {
  const { gateway, browser, orders } = await start(t)
  const client = browser.open({ mode })
  await client.signIn(ada)
  await client.fetch(orders)
  await revokeToken(gateway, browser)
  const stream = (): RequestInit => ({ method: 'POST', body: new Blob(['three apples']).stream(), duplex: 'half' })

  t.equal((await client.fetch(orders, stream())).status, 401)
  t.equal((await client.fetch(orders, stream())).status, 200)

  t.equal(browser.count(refreshPath), 1)
})

t.test('what a service refuses by itself is left alone', async t => {
  const service = await startUpstream(t, (_request, response) => { response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end('{"code":"NO"}') })
  const { gateway, browser } = await start(t, { upstreams: [{ prefix: '/strict', target: service.url, audience: 'strict' }] })
  const client = browser.open({ mode })
  await client.signIn(ada)

  const response = await client.fetch(`${gateway.url}/strict`)

  t.equal(response.status, 401)
  t.equal(await response.text(), '{"code":"NO"}')
  t.equal(service.requests.length, 1)
  t.equal(browser.count(refreshPath), 0)
})

t.test('a session that is over is a sign-out in all tabs, once each', async t => {
  const { gateway, browser, orders } = await start(t)
  let calls = 0
  const onSignedOut = (): void => { calls++ }
  const tabs = [browser.open({ mode, onSignedOut }), browser.open({ mode, onSignedOut }), browser.open({ mode, onSignedOut })]
  await tabs[0]!.signIn(ada)
  await Promise.all(tabs.map(async tab => await tab.session()))
  await revokeSession(gateway, tabs[0]!)

  const response = await tabs[0]!.fetch(orders)

  t.equal(response.status, 401)
  t.match(await response.json(), { code: 'PTC_ERR_TOKEN_INVALID' })
  await until(() => calls >= 3)
  t.same(await Promise.all(tabs.map(async tab => await tab.session())), [null, null, null])
  t.equal(calls, 3)
})

t.test('a refresh whose answer is lost is repeated, and nobody is signed out', async t => {
  const { browser, orders } = await start(t)
  await browser.open({ mode }).signIn(ada)
  const statuses: string[] = []
  const client = browser.open({ mode })
  client.onChange(({ status }) => { statuses.push(status) })
  browser.next(refreshPath, lost)

  t.equal((await client.fetch(orders)).status, 200)

  t.same(statuses, ['refreshing', 'waiting', 'refreshing', 'signed-in'])
  t.equal(browser.count(refreshPath), 2)
})

t.test('the network coming back ends the waiting', async t => {
  const { browser } = await start(t)
  await browser.open({ mode }).signIn(ada)
  const client = browser.open({ mode })
  for (let tries = 0; tries < 6; tries++) browser.next(refreshPath, offline)
  const session = client.session()
  // Each one waits for longer; the whole would take half a minute.
  for (let tries = 1; tries <= 6; tries++) {
    await until(() => browser.count(refreshPath) === tries)
    await new Promise(resolve => setTimeout(resolve, 150))
    browser.fire('online')
  }

  t.match(await session, { subject: 'ada' })
})

t.test('a signal ends the waiting for the network', async t => {
  const { browser, orders } = await start(t)
  const client = browser.open({ mode })
  for (let tries = 0; tries < 3; tries++) browser.next(refreshPath, offline)
  const aborting = new AbortController()
  const response = client.fetch(orders, { signal: aborting.signal })
  await until(() => browser.count(refreshPath) === 1)

  aborting.abort()

  await t.rejects(response, { name: 'AbortError' })
})

t.test('an outage of the store signs nobody out', async t => {
  let faulty: FaultyStore | undefined
  const { browser } = await start(t, {}, { wrapStore: store => (faulty = createFaultyStore(store)).store })
  await browser.open({ mode }).signIn(ada)
  let isSignedOut = false
  const client = browser.open({ mode, onSignedOut: () => { isSignedOut = true } })
  faulty!.fail('rotate')
  const statuses: string[] = []
  client.onChange(({ status }) => { statuses.push(status) })
  const session = client.session()
  await until(() => statuses.includes('waiting'))
  // The gateway has told how long to wait.
  browser.fire('online')
  t.same(statuses, ['refreshing', 'waiting'])

  faulty!.recover()

  t.match(await session, { subject: 'ada' })
  t.equal(isSignedOut, false)
})

t.test('too many refreshes wait as long as the gateway tells', async t => {
  const { browser } = await start(t, { rateLimit: { refresh: { max: 1, window: '3s' } } })
  await browser.open({ mode }).signIn(ada)
  await browser.open({ mode }).session()

  t.match(await browser.open({ mode }).session(), { subject: 'ada' })

  t.equal(browser.count(refreshPath), 3)
})

t.test('signing out reaches all tabs', async t => {
  const { browser, orders } = await start(t)
  const signedOut: string[] = []
  const tabs = ['first', 'second'].map(name => browser.open({ mode, onSignedOut: () => { signedOut.push(name) } }))
  await tabs[0]!.signIn(ada)
  await Promise.all(tabs.map(async tab => await tab.session()))

  await tabs[1]!.signOut()

  await until(() => signedOut.length === 2)
  t.same(await Promise.all(tabs.map(async tab => await tab.session())), [null, null])
  t.equal((await tabs[0]!.fetch(orders)).status, 401)
  t.same(signedOut.sort(), ['first', 'second'])
  t.equal(bearerCount(browser), 0)
})

t.test('a tab that is frozen in the middle of a refresh holds up no sign-out, and its late answer signs nobody in', async t => {
  const { browser } = await start(t)
  browser.tell({ refresh_in: 0.05 })
  const [client, other] = [browser.open({ mode }), browser.open({ mode })]
  const { fate, answered, release } = held()
  browser.next(refreshPath, fate)
  await client.signIn(ada)
  await answered

  await other.signOut()
  release()

  await until(async () => await client.session() === null)
  // The answer has come by now.
  await new Promise(resolve => setTimeout(resolve, 50))
  t.equal(await client.session(), null)
  t.equal(await other.session(), null)
  t.equal(await browser.open({ mode }).session(), null)
})

t.test('a sign-out that does not reach the gateway says so, and can be repeated', async t => {
  const { browser, orders } = await start(t)
  const client = browser.open({ mode })
  await client.signIn(ada)
  browser.next('/auth/logout', offline)

  await t.rejects(client.signOut(), { code: 'PTC_ERR_NETWORK', status: 0 })
  t.match(await client.session(), { subject: 'ada' })
  t.equal((await client.fetch(orders)).status, 200)

  await client.signOut()
  t.equal(await client.session(), null)
})

t.test('a sign-out that another network answers is none', async t => {
  const { browser } = await start(t)
  const client = browser.open({ mode })
  await client.signIn(ada)
  for (const body of ['<h1>Welcome to our hotel</h1>', '', 'null', '{}', '{"session":{}}']) {
    browser.next('/auth/logout', async () => new Response(body))

    await t.rejects(client.signOut(), { code: 'PTC_ERR_NETWORK', status: 200 })
  }

  t.match(await client.session(), { subject: 'ada' })
})

t.test('a page out of the back-forward cache asks again before it believes anything', async t => {
  const { gateway, browser } = await start(t)
  let isSignedOut = false
  const client = browser.open({ mode, onSignedOut: () => { isSignedOut = true } })
  await client.signIn(ada)
  await revokeSession(gateway, client)
  t.match(await client.session(), { subject: 'ada' })

  browser.fire('pageshow', { persisted: true })

  t.equal(await client.session(), null)
  t.equal(isSignedOut, true)
})

t.test('a token can be asked for fewer audiences', async t => {
  const { gateway, browser, orders } = await start(t)
  await browser.open({ mode }).signIn(ada)
  const client = browser.open({ mode, audience: ['billing'] })

  t.equal((await client.fetch(`${gateway.url}/billing`)).status, 200)
  t.equal((await client.fetch(orders)).status, 401)

  t.same(decode(browser.sent.at(-1)!.authorization!.slice(7)).claims['aud'], ['billing'])
})

t.test('a question that the gateway does not take is told, and not waited for', async t => {
  const { gateway, browser } = await start(t)
  const client = browser.open({ mode, base: `${gateway.url}/elsewhere` })

  await t.rejects(client.session(), { code: 'PTC_ERR_NOT_FOUND', status: 404 } satisfies Partial<ClientError>)
  await t.rejects(client.fetch(`${gateway.url}/orders`), { code: 'PTC_ERR_NOT_FOUND' })
})

t.test('a listener hears of changes until it does not want to', async t => {
  const { browser } = await start(t)
  const client = browser.open({ mode })
  const heard: unknown[] = []
  const stop = client.onChange(({ status, session }) => { heard.push([status, session?.subject]) })
  await client.signIn(ada)
  await until(() => heard.length > 0)
  stop()

  await client.signOut()

  t.same(heard, [['signed-in', 'ada']])
})
