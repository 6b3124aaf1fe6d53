import type { BrowserContext, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { checkConfig } from '../../config/load.ts'
import { composeGateway } from '../../gateway/gateway.ts'
import { secret } from '../helpers/build-app.ts'
import { makeAuthority } from '../helpers/certificate.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { clientOf, clientSecret, startOpenIdProvider } from '../helpers/openid-provider.ts'
import { startRedis } from '../helpers/redis-server.ts'
import { generousLimits } from '../helpers/sign-in.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { goBack, openContext, startBrowser } from './browser.ts'

/*
 * Users of an identity provider in a real browser: signing in, two tabs, stepping up, signing out here and there, and an operator who cuts
 * a user off; each also while Redis answers nothing at the worst moment.
 */

declare class EventSource {
  constructor (url: string)
  onmessage: (event: { data: string }) => void
  onerror: () => void
}
declare const globalThis: { feed: string[] }

const browser = await startBrowser(t, makeAuthority())
const redis = await startRedis(t)
const port = await findClosedPort()
const origin = `http://localhost:${port}`
const provider = await startOpenIdProvider(t, { clients: [clientOf(origin)] })
const admin = { host: '127.0.0.1', port: await findClosedPort(), token: 'token-of-the-operators-0123456789' }
const service = await startUpstream(t, (request, response) => {
  request.resume()
  if (request.url === '/app/feed') {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const timer = setInterval(() => { response.write('data: tick\n\n') }, 50)
    response.on('close', () => { clearInterval(timer) })
    return
  }
  response.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><title>Page ${request.url}</title><h1>The application</h1>`)
})
const config = checkConfig({
  origin,
  secret,
  listen: { host: '127.0.0.1', port },
  admin,
  store: { type: 'redis', url: redis.url },
  log: { level: 'silent' },
  rateLimit: generousLimits,
  pages: true,
  identity: { type: 'oidc', name: 'corp', issuer: provider.issuer, clientId: 'portcullis', clientSecret },
  upstreams: [
    { prefix: '/app', target: service.url, audience: 'app' },
    { prefix: '/careful', target: service.url, audience: 'careful', stepUp: { maxAge: '2s' } }
  ]
}, { directory: '.', env: {} })
const app = await composeGateway(config)
t.teardown(async () => { await app.close() })
await app.listen({ port, host: '127.0.0.1' })

/** Fills in the form of the provider, by its labels. */
async function signInAtProvider (page: Page, account: string): Promise<void> {
  await page.getByLabel('Account').fill(account)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

async function signIn (t: Test, account: string, path = '/app'): Promise<{ context: BrowserContext, page: Page }> {
  const context = await openContext(t, browser)
  const page = await context.newPage()
  await page.goto(origin + path)
  await signInAtProvider(page, account)
  await page.waitForURL(origin + path)
  return { context, page }
}

const asksForAccount = async (page: Page): Promise<boolean> => await page.getByLabel('Account').isVisible()

/** Redis answers nothing until the returned function is called. */
function pauseRedis (t: Test): () => void {
  redis.pause()
  t.teardown(() => { redis.resume() })
  return () => { redis.resume() }
}

async function statusOf (page: Page, path = '/app'): Promise<number> {
  return (await page.request.get(origin + path, { maxRedirects: 0, headers: { 'sec-fetch-mode': 'cors' } })).status()
}

async function statusBecomes (page: Page, status: number): Promise<void> {
  while (await statusOf(page) !== status) await page.waitForTimeout(50)
}

t.test('a user who opens a page signs in at the provider and is at that page, with its query and its fragment', async t => {
  const context = await openContext(t, browser)
  const page = await context.newPage()
  await page.goto(`${origin}/app/deep?x=1&y=%20#place`)
  await signInAtProvider(page, 'ada')
  await page.waitForURL(`${origin}/app/deep?x=1&y=%20#place`)
  t.equal(await page.title(), 'Page /app/deep?x=1&y=%20')
  const cookies = await context.cookies(origin)
  t.same(cookies.filter(({ name }) => name.includes('login')), [], 'no cookie of the sign-in is left')
})

t.test('two tabs that sign in at once are both where they wanted to be', async t => {
  const context = await openContext(t, browser)
  const [one, other] = [await context.newPage(), await context.newPage()]
  await one.goto(`${origin}/app/one`)
  await other.goto(`${origin}/app/other`)
  await signInAtProvider(one, 'bea')
  await one.waitForURL(`${origin}/app/one`)
  await signInAtProvider(other, 'bea')
  await other.waitForURL(`${origin}/app/other`)
  t.equal(await statusOf(one), 200)
  await goBack(one)
  await one.waitForTimeout(300)
  await one.goto(`${origin}/app/one`)
  t.equal(await one.title(), 'Page /app/one', 'the back button has signed nobody out')
})

t.test('a page that demands a recent authentication leads to the provider and back', async t => {
  const { page } = await signIn(t, 'cy')
  await page.waitForTimeout(3100)
  await page.goto(`${origin}/careful/pay#now`)
  await signInAtProvider(page, 'cy')
  await page.waitForURL(`${origin}/careful/pay#now`)
  t.equal(await page.title(), 'Page /careful/pay')
})

t.test('signing out here leads to the sign-out of the provider, and the next visit asks for the account', async t => {
  const { page } = await signIn(t, 'fay')
  await page.goto(`${origin}/auth/account`)
  await page.getByRole('button', { name: 'Sign out of corp too' }).click()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.waitForURL(url => url.pathname === '/auth/sign-in')
  await page.getByText('You are signed out.').waitFor()
  t.equal(await statusOf(page), 401)
  await page.goto(`${origin}/app`)
  t.ok(await asksForAccount(page))
})

t.test('signing out at the provider ends the session and what is open, at once', async t => {
  const { context, page } = await signIn(t, 'gil')
  await page.evaluate(url => {
    globalThis.feed = []
    const feed = new EventSource(url)
    feed.onmessage = ({ data }) => { globalThis.feed.push(data) }
    feed.onerror = () => { globalThis.feed.push('error') }
  }, `${origin}/app/feed`)
  await page.waitForFunction(() => globalThis.feed.length > 2)
  const there = await context.newPage()
  await there.goto(`${provider.issuer}/session/end`)
  await there.getByRole('button', { name: 'Sign out' }).click()
  await page.waitForFunction(() => globalThis.feed.includes('error'))
  t.equal(await statusOf(page), 401)
})

async function cutOff (subject: string): Promise<number> {
  return (await fetch(`http://127.0.0.1:${admin.port}/admin/revocations`, { method: 'POST', headers: { authorization: `Bearer ${admin.token}`, 'content-type': 'application/json' }, body: JSON.stringify({ subject }) })).status
}

t.test('a user whom an operator has cut off is asked for the account again, once', async t => {
  const { page } = await signIn(t, 'hal')
  t.equal(await cutOff('corp|hal'), 202)
  t.equal(await statusOf(page), 401)
  await page.waitForTimeout(1100)
  await page.goto(`${origin}/app`)
  await signInAtProvider(page, 'hal')
  await page.waitForURL(`${origin}/app`)
  await page.context().clearCookies({ name: 'portcullis' })
  await page.goto(`${origin}/app`)
  t.equal(page.url(), `${origin}/app`, 'single sign-on works again')
})

t.test('while Redis answers nothing a sign-in that comes back is 503, and goes on afterwards', async t => {
  const context = await openContext(t, browser)
  const page = await context.newPage()
  await page.goto(`${origin}/app/late`)
  await page.getByLabel('Account').fill('ian')
  const resume = pauseRedis(t)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('PTC_ERR_STORE_UNAVAILABLE').waitFor()
  t.ok((await context.cookies(origin)).some(({ name }) => name.includes('login')), 'the cookie of the sign-in is kept')
  resume()
  while (await page.title() !== 'Page /app/late') {
    await page.reload()
    await page.waitForTimeout(200)
  }
  t.equal(page.url(), `${origin}/app/late`)
})

t.test('while Redis answers nothing a step-up is 503, no cookie is lost, and it goes on afterwards', async t => {
  const { context, page } = await signIn(t, 'joy')
  await page.waitForTimeout(3100)
  await page.goto(`${origin}/careful/late`)
  await page.getByLabel('Account').fill('joy')
  const before = (await context.cookies(origin)).find(({ name }) => name === 'portcullis')!.value
  const resume = pauseRedis(t)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByText('PTC_ERR_STORE_UNAVAILABLE').waitFor()
  t.equal((await context.cookies(origin)).find(({ name }) => name === 'portcullis')?.value, before)
  resume()
  await page.goto(`${origin}/app`)
  t.equal(await page.title(), 'Page /app', 'the session goes on')
  await page.goto(`${origin}/careful/late`)
  // The provider has authenticated the user just now, and may say so without asking again.
  if (await asksForAccount(page)) await signInAtProvider(page, 'joy')
  await page.waitForURL(`${origin}/careful/late`)
})

t.test('while Redis answers nothing nobody is signed out by half: the page says so, and the sign-out is done afterwards', async t => {
  const { page } = await signIn(t, 'kim')
  await page.goto(`${origin}/auth/account`)
  const resume = pauseRedis(t)
  await page.getByRole('button', { name: 'Sign out', exact: true }).first().click()
  await page.getByText('Not possible right now').first().waitFor()
  resume()
  await statusBecomes(page, 200)
  await page.goto(`${origin}/auth/account`)
  await page.getByRole('button', { name: 'Sign out', exact: true }).first().click()
  await page.getByText('You are signed out.').waitFor()
  t.equal(await statusOf(page), 401)
})

t.test('while Redis answers nothing an operator\'s cut is no success, and holds once it is repeated', async t => {
  const { page } = await signIn(t, 'lou')
  const resume = pauseRedis(t)
  t.equal(await cutOff('corp|lou'), 503)
  resume()
  while (await cutOff('corp|lou') !== 202) await page.waitForTimeout(100)
  await statusBecomes(page, 401)
  await page.waitForTimeout(1100)
  await page.goto(`${origin}/app`)
  t.ok(await asksForAccount(page))
})
