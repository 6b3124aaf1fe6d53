import type { BrowserContext, CDPSession, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { claimsOf } from '../helpers/credentials.ts'
import { makeAuthority } from '../helpers/certificate.ts'
import { password } from '../helpers/build-gateway.ts'
import { untilTrue } from '../helpers/portcullis.ts'
import { openTab, startApplication, type Application } from './application.ts'
import { goBack, openContext, startBrowser } from './browser.ts'
import { startSite } from './front.ts'
import { startSecureGateway } from './gateway.ts'
import { takeHeap } from './heap.ts'

/*
 * The client in the browser that it is made for: tabs that share one cookie, answers that get lost, tabs that freeze, laptops that
 * sleep, clocks that are wrong, pages that come back. Requests are counted and lost in front of the gateway.
 */

declare const app: Application
declare const document: { cookie: string, documentElement: { outerHTML: string }, body: { textContent: string } }
declare const history: { state: unknown }
declare const name: string
declare const localStorage: object
declare const sessionStorage: object
declare const indexedDB: { databases (): Promise<unknown[]> }
declare const caches: { keys (): Promise<string[]> }
declare const addEventListener: (name: 'pageshow', listener: (event: { persisted: boolean }) => void) => void

const authority = makeAuthority()
const browser = await startBrowser(t, authority)
const application = await startApplication(t)
const gateway = await startSecureGateway(t, authority, ({ orders }) => ({
  page: application.url,
  upstreams: [{ prefix: '/careful', target: orders, audience: 'careful', stepUp: { maxAge: '1m' } }]
}))
const { origin, front, orders } = gateway

interface Opened { context: BrowserContext, tabs: [Page, ...Page[]], sid: string }

/** Tabs of somebody who has signed in in the first one; every one knows it. */
async function signIn (t: Test, { mode = 'tokens', count = 1, prepare = async () => {} }: { mode?: 'session' | 'tokens', count?: number, prepare?: (context: BrowserContext) => Promise<void> } = {}): Promise<Opened> {
  const context = await openContext(t, browser)
  front.mishap = () => null
  await prepare(context)
  const first = await openTab(context, origin, mode)
  const { sid } = await first.evaluate(async credentials => await app.client.signIn(credentials), { username: 'ada', password })
  const tabs: [Page, ...Page[]] = [first]
  while (tabs.length < count) tabs.push(await openTab(context, origin, mode))
  for (const tab of tabs) t.equal(await sidOf(tab), sid)
  front.requests.length = 0
  orders.requests.length = 0
  return { context, tabs, sid }
}

async function sidOf (tab: Page): Promise<string | undefined> {
  return await tab.evaluate(async () => (await app.client.session())?.sid)
}

/** Status of a request that needs a sign-in. */
async function order (tab: Page, path = '/orders/1'): Promise<number> {
  return await tab.evaluate(async path => (await app.client.fetch(path)).status, path)
}

const refreshes = (): Array<number | undefined> => front.seen('POST', '/auth/refresh').map(({ status }) => status)
const bearers = (): Set<string | undefined> => new Set(front.seen('GET', '/orders/1').map(({ headers }) => headers.authorization))
const told = async (tab: Page): Promise<string[]> => await tab.evaluate(() => app.told)
/** The token that a tab uses. */
async function tokenOf (tab: Page): Promise<string> {
  await order(tab)
  return front.requests.at(-1)!.headers.authorization!.replace('Bearer ', '')
}

t.test('three tabs whose access tokens expire at the same moment make one refresh', async t => {
  const { context, tabs } = await signIn(t, { count: 3, prepare: async context => { await context.clock.install() } })
  await Promise.all(tabs.map(async tab => await order(tab)))
  t.equal(bearers().size, 1, 'one token for all of them')
  front.requests.length = 0

  await context.clock.fastForward('11:00')
  t.same(await Promise.all(tabs.map(async tab => await order(tab))), [200, 200, 200])
  t.same(refreshes(), [200])
  t.equal(bearers().size, 1)
})

t.test('three tabs whose access token is revoked make one refresh and repeat their requests', async t => {
  const { tabs } = await signIn(t, { count: 3 })
  const { jti, exp } = claimsOf(await tokenOf(tabs[0])) as { jti: string, exp: number }
  await gateway.store.revokeToken({ issuer: origin, jti, expiresAtMs: exp * 1000 })
  await untilTrue(async () => (await fetch(`${gateway.url}/orders/1`, { headers: { authorization: front.requests.at(-1)!.headers.authorization! } })).status === 401)
  front.requests.length = 0

  t.same(await Promise.all(tabs.map(async tab => await order(tab))), [200, 200, 200])
  t.same(refreshes(), [200])
})

t.test('a refresh whose answer is lost is repeated, and nobody is signed out', async t => {
  for (const mishap of ['answer lost', 'request lost'] as const) {
    const { context, tabs, sid } = await signIn(t, { count: 2, prepare: async context => { await context.clock.install() } })
    let lost = 0
    front.mishap = ({ url }) => url === '/auth/refresh' && lost++ < 2 ? mishap : null
    await context.clock.fastForward('11:00')

    t.same(await Promise.all(tabs.map(async tab => await order(tab))), [200, 200], mishap)
    t.same(refreshes(), mishap === 'answer lost' ? [200, 200, 200] : [undefined, undefined, 200])
    for (const tab of tabs) {
      t.equal(await sidOf(tab), sid)
      t.same(await told(tab), [])
    }
  }
})

/** Stops a page's script where it is, as browsers do with tabs in the background; what it holds it goes on holding. */
async function freeze (tab: Page): Promise<{ session: CDPSession, stopped: Promise<unknown> }> {
  const session = await tab.context().newCDPSession(tab)
  const stopped = new Promise(resolve => { session.once('Debugger.paused', resolve) })
  await session.send('Debugger.enable')
  await session.send('Debugger.pause')
  return { session, stopped }
}

t.test('a tab that freezes in the middle of a refresh blocks no other, and is still signed in when it thaws', async t => {
  const { context, tabs: [first, second], sid } = await signIn(t, { count: 2 })
  const { jti, exp } = claimsOf(await tokenOf(first)) as { jti: string, exp: number }
  let answer = (): void => {}
  const held = new Promise<void>(resolve => { answer = resolve })
  front.requests.length = 0
  front.mishap = ({ url }) => url === '/auth/refresh' && front.seen('POST', '/auth/refresh').length === 1 ? { holdAnswer: held } : null
  await gateway.store.revokeToken({ issuer: origin, jti, expiresAtMs: exp * 1000 })
  const ordered = order(first)
  await untilTrue(async () => refreshes()[0] === 200, 5)
  const frozen = await freeze(first)
  answer()
  await frozen.stopped
  t.equal(await order(second!), 200)
  t.same(refreshes(), [200, 200])

  await frozen.session.send('Debugger.resume')
  t.equal(await ordered, 200)
  for (const tab of [first, second!]) {
    t.equal(await order(tab), 200)
    t.equal(await sidOf(tab), sid)
    t.same(await told(tab), [])
  }
  await context.close()
})

t.test('after a sleep past the end of the token one refresh goes on where it was', async t => {
  const { context, tabs: [tab], sid } = await signIn(t, { prepare: async context => { await context.clock.install() } })
  await context.clock.fastForward('08:00:00')

  t.equal(await order(tab), 200)
  t.same(refreshes(), [200])
  t.same(front.seen('GET', '/orders/1').map(({ status }) => status), [200], 'the old token was not tried')
  t.equal(await sidOf(tab), sid)
})

t.test('after a sleep past the end of the session every tab is told once', async t => {
  const { context, tabs } = await signIn(t, { count: 2, prepare: async context => { await context.clock.install() } })
  gateway.advance(25 * 3_600_000)
  await context.clock.fastForward('25:00:00')

  for (const tab of tabs) t.equal(await sidOf(tab), undefined)
  for (const tab of tabs) t.same(await told(tab), ['signed out'])
  t.same(refreshes(), [401])
})

t.test('a clock that is an hour off, or jumps, changes nothing', async t => {
  for (const hours of [-1, 1]) {
    const { tabs: [tab], sid } = await signIn(t, {
      prepare: async context => {
        await context.addInitScript(ms => {
          const now = Date.now
          Date.now = () => now() + ms
          globalThis.Date = class extends Date {
            constructor (...given: unknown[]) { super(...(given.length === 0 ? [now() + ms] : given) as [number]) }
          } as DateConstructor
        }, hours * 3_600_000)
      }
    })
    t.equal(await order(tab), 200)
    await tab.evaluate(ms => { Date.now = () => ms }, Date.now() - hours * 3_600_000)
    t.equal(await order(tab), 200)
    t.same(refreshes(), [])
    t.equal(await sidOf(tab), sid)
    t.same(await told(tab), [])
  }
})

t.test('a refresh that is due while the browser is offline waits, and is made when the network is back', async t => {
  const { context, tabs: [tab], sid } = await signIn(t, { prepare: async context => { await context.clock.install() } })
  await context.setOffline(true)
  await context.clock.fastForward('11:00')
  const ordered = order(tab)
  await context.clock.fastForward('01:00')
  t.same(await told(tab), [])

  await context.setOffline(false)
  t.equal(await ordered, 200)
  t.equal(await sidOf(tab), sid)
})

for (const mode of ['session', 'tokens'] as const) {
  t.test(`sign-out reaches every tab, also one that is frozen, in ${mode} mode`, async t => {
    const { context, tabs: [first, second, third] } = await signIn(t, { mode, count: 3 })
    const frozen = await freeze(third!)
    await first.evaluate(async () => { await app.client.signOut() })
    t.equal(await sidOf(second!), undefined)
    await frozen.stopped
    await frozen.session.send('Debugger.resume')
    await frozen.session.detach()

    for (const tab of [first, second!, third!]) {
      t.equal(await sidOf(tab), undefined)
      t.equal(await order(tab), 401)
      t.equal(await tab.locator('#who').textContent(), 'nobody')
      t.same(await told(tab), ['signed out'])
    }
    t.same((await context.cookies(`${origin}/auth`)).map(({ name }) => name), [])
    t.same(orders.requests, [])
  })

  t.test(`a page that comes back from the back-forward cache shows nobody after sign-out, in ${mode} mode`, async t => {
    const { tabs: [tab, other] } = await signIn(t, { mode, count: 2 })
    await tab.goto(`${origin}/page/elsewhere?mode=${mode}`)
    await other!.evaluate(async () => { await app.client.signOut() })
    await goBack(tab)
    await tab.waitForURL(`${origin}/page?mode=${mode}`, { waitUntil: 'commit' })
    await tab.waitForFunction(() => 'app' in globalThis)

    t.equal(await sidOf(tab), undefined)
    t.equal(await tab.locator('#who').textContent(), 'nobody')
    t.equal(await order(tab), 401)
  })

  t.test(`a page that comes back from the back-forward cache finds out by itself that its session has ended, in ${mode} mode`, async t => {
    const { tabs: [tab], sid } = await signIn(t, { mode })
    await tab.evaluate(() => { addEventListener('pageshow', ({ persisted }) => { app.told.push(`restored ${persisted}`) }) })
    await tab.goto(`${origin}/orders/1`)
    await gateway.store.close(sid, { maxTokenAgeMs: 900_000 })
    await goBack(tab)
    await tab.waitForURL(`${origin}/page?mode=${mode}`, { waitUntil: 'commit' })

    await tab.getByText('nobody', { exact: true }).waitFor()
    t.same((await told(tab)).sort(), ['restored true', 'signed out'])
  })

  t.test(`a step-up that a request needs is done, and the request repeated, in ${mode} mode`, async t => {
    const { tabs: [tab, other], sid } = await signIn(t, { mode, count: 2 })
    gateway.advance(120_000)
    t.equal(await order(tab, '/careful'), 200)
    t.same(await told(tab), ['step-up'])
    t.equal(await order(other!, '/careful'), 200)
    t.equal(await sidOf(other!), sid)
  })
}

t.test('no script finds an access token, and no page the refresh token', async t => {
  const { context, tabs: [tab, other] } = await signIn(t, { count: 2 })
  const token = await tokenOf(tab)
  t.equal(await tokenOf(other!), token)
  const [refreshToken] = (await context.cookies(`${origin}/auth`)).map(({ value }) => value)
  t.ok(refreshToken!.length > 40)

  for (const page of [tab, other!]) {
    const places = await page.evaluate(async () => JSON.stringify([
      { ...localStorage }, { ...sessionStorage }, await indexedDB.databases(), await caches.keys(), document.cookie, document.documentElement.outerHTML, name, history.state, performance.getEntries()
    ]))
    for (const [what, secret] of [['access token', token], ['its signature', token.split('.')[2]!], ['refresh token', refreshToken!]] as const) t.notOk(places.includes(secret), what)
    t.match(places, /^\[\{\},\{\},\[\],\[\],"",/)

    const heap = await takeHeap(page)
    t.ok(heap.holds(token), 'the page has it')
    t.equal(heap.pathTo(token), null, 'no other script can find it')
    t.notOk(heap.holds(refreshToken!))
  }
})

t.test('what scripts could find in a page is found in its heap', async t => {
  const visible = ['globalThis.x = { a: [secret()] }', 'globalThis.x = new Map([[1, new Set([secret()])]])', 'globalThis.x = Promise.resolve("a" + secret())', 'let x = secret()', 'function x () {}; x[Symbol("a")] = secret()']
  const hidden = ['globalThis.x = (() => { const held = secret(); return () => held.length })()', 'globalThis.x = new class { #held = secret() }()']
  for (const script of [...visible, ...hidden]) {
    const site = await startSite(t, authority, 'other.test', `<!doctype html><title>A site</title><script>function secret () { return JSON.parse('"' + ['a well', 'hidden', 'secret'].join(' ') + '"') }; ${script}</script>`)
    const page = await (await openContext(t, browser)).newPage()
    await page.goto(site)
    const heap = await takeHeap(page)
    t.same([heap.holds('a well hidden secret'), heap.pathTo('a well hidden secret') !== null], [true, visible.includes(script)], script)
    await page.close()
  }
})
