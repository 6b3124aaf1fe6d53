import t from 'tap'
import { goBack, openContext } from './browser.ts'
import { asksForAccount, signInAtProvider, startProviderGateway } from './provider-gateway.ts'

/*
 * Users of an identity provider in a real browser: signing in, two tabs, stepping up, signing out here and there, and an operator who cuts
 * a user off. provider-outages.test.ts does the same while Redis answers nothing.
 */

declare class EventSource {
  constructor (url: string)
  onmessage: (event: { data: string }) => void
  onerror: () => void
}
declare const globalThis: { feed: string[] }

const { browser, provider, origin, signIn, statusOf, cutOff } = await startProviderGateway(t)

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
