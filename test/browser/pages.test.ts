import type { BrowserContext, Page, Response } from 'playwright-core'
import t, { type Test } from 'tap'
import { password } from '../helpers/build-gateway.ts'
import { makeAuthority } from '../helpers/certificate.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { startNpmRegistry } from '../helpers/npm-registry.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { goBack, openContext, startBrowser } from './browser.ts'
import { startSite } from './front.ts'
import { frame } from './frame.ts'
import { startSecureGateway } from './gateway.ts'

/*
 * A registry of npm packages has a web interface that knows nothing of a gateway: an application of one page with its scripts and
 * its requests, used here as it is published. Behind the gateway nobody sees anything of it who has not signed in, and nobody who
 * has signed out.
 */

declare const document: { documentElement: { scrollWidth: number, clientWidth: number }, activeElement: { textContent: string, id: string } }
declare const open: (url: string) => { closed: boolean, location: { href: string } }

const authority = makeAuthority()
const browser = await startBrowser(t, authority)
const registryPort = await findClosedPort()
const away = await startUpstream(t, (request, response) => {
  request.resume()
  response.writeHead(302, { location: `${sites[0]}/elsewhere` }).end()
})
const gateway = await startSecureGateway(t, authority, ({ orders }) => ({
  pages: true,
  upstreams: [
    { prefix: '/', target: `http://127.0.0.1:${registryPort}`, audience: 'registry', access: 'session', forward: 'none' },
    { prefix: '/away', target: away.url, audience: 'away', access: 'session', forward: 'none' },
    { prefix: '/careful', target: orders, audience: 'careful', stepUp: { maxAge: '1m' } }
  ]
}))
const { origin, front } = gateway
const registry = await startNpmRegistry(t, { port: registryPort, publicUrl: origin, hasPages: true })
const sites = [await startSite(t, authority, 'other.test'), await startSite(t, authority, 'sibling.shop.test')]

/** Fills the form in as a user does, by the labels. */
async function fillIn (page: Page, username = 'ada', typed = password): Promise<void> {
  await page.getByLabel('Username').fill(username)
  await page.getByLabel('Password').fill(typed)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

async function signIn (t: Test, { context, username, path = '/auth/account' }: { context?: BrowserContext, username?: string, path?: string } = {}): Promise<{ context: BrowserContext, page: Page }> {
  const opened = context ?? await openContext(t, browser)
  const page = await opened.newPage()
  await page.goto(`${origin}/auth/sign-in?return_to=${encodeURIComponent(path)}`)
  await fillIn(page, username)
  await page.waitForURL(`${origin}${path}`)
  return { context: opened, page }
}

/** What a page complains about while something is done with it. */
function complaintsOf (page: Page): string[] {
  const complaints: string[] = []
  page.on('console', message => { if (['error', 'warning'].includes(message.type())) complaints.push(message.text()) })
  page.on('pageerror', error => { complaints.push(error.message) })
  return complaints
}

const isOfRegistry = (response: Response): boolean => !response.url().startsWith(`${origin}/auth/`) && [200, 304].includes(response.status())

t.test('an application that knows nothing of the gateway is there between sign-in and sign-out, and only then', async t => {
  const context = await openContext(t, browser)
  const page = await context.newPage()
  const loaded: string[] = []
  page.on('response', response => { if (isOfRegistry(response)) loaded.push(response.url()) })

  await page.goto(`${origin}/`)
  t.equal(page.url(), `${origin}/auth/sign-in?return_to=%2F`)
  t.same(registry.requests().filter(({ url }) => url !== '/-/ping'), [])
  await fillIn(page)
  await page.waitForURL(`${origin}/`)
  await page.getByText('No Package Published Yet.').waitFor()
  const script = loaded.find(url => url.endsWith('.js') && url.includes('/main.'))!
  t.ok(script)

  const account = await context.newPage()
  await account.goto(`${origin}/auth/account`)
  await account.getByRole('button', { name: 'Sign out', exact: true }).click()
  await account.getByText('You are signed out.').waitFor()
  loaded.length = 0
  const before = registry.requests().length

  // From a page whose policy lets it try.
  await account.goto(`${origin}/page`)
  for (const cache of ['default', 'force-cache'] as const) {
    t.same(await account.evaluate(async ({ urls, cache }) => await Promise.all(urls.map(async url => await fetch(url, { cache }).then(({ status }) => status, () => 'refused'))), { urls: ['/', script, '/-/verdaccio/data/packages'], cache }), [401, 401, 401], cache)
  }
  await page.reload()
  t.equal(page.url(), `${origin}/auth/sign-in?return_to=%2F`)
  await page.goto(`${origin}/-/web/detail/anything`)
  t.equal(page.url(), `${origin}/auth/sign-in?return_to=%2F-%2Fweb%2Fdetail%2Fanything`)
  t.same(loaded.filter(url => !url.startsWith(`${origin}/page`)), [])
  t.equal(registry.requests().length, before)
  t.same(await context.cookies(origin), [])
})

t.test('the back button shows nothing of the account after sign-out', async t => {
  const { context, page } = await signIn(t)
  await page.goto(`${origin}/page`)
  const other = await context.newPage()
  await other.goto(`${origin}/auth/account`)
  await other.getByRole('button', { name: 'Sign out', exact: true }).click()
  await other.getByText('You are signed out.').waitFor()

  for (const tab of [page, other]) {
    await goBack(tab)
    await tab.waitForURL(/\/auth\/sign-in\?return_to=/)
    t.notOk((await tab.textContent('body'))!.includes('Your account'))
    t.ok(await tab.getByLabel('Username').isVisible())
  }
})

t.test('everything can be done without script', async t => {
  const context = await openContext(t, browser, { javaScriptEnabled: false })
  await signIn(t, { username: 'grace' })
  const { page } = await signIn(t, { context, username: 'grace' })
  await page.getByText('Active now').waitFor()
  gateway.advance(600_000)

  await page.getByRole('button', { name: 'Sign out', exact: true }).nth(1).click()
  await page.getByLabel('Password').fill('wrong')
  await page.getByRole('button', { name: 'Sign out' }).click()
  t.ok(await page.getByRole('alert').isVisible())
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByText('The other session is signed out.').waitFor()
  await page.getByText('You are not signed in anywhere else.').waitFor()

  await page.getByRole('button', { name: 'Sign out everywhere' }).click()
  await page.getByText('You are signed out.').waitFor()
  t.same(await context.cookies(origin), [])
})

t.test('a keyboard is enough, and the pages complain of nothing', async t => {
  const context = await openContext(t, browser)
  const page = await context.newPage()
  const complaints = complaintsOf(page)
  await page.goto(`${origin}/auth/sign-in`)
  await page.keyboard.type('ada')
  await page.keyboard.press('Tab')
  await page.keyboard.type(password)
  await page.keyboard.press('Enter')
  await page.waitForURL(`${origin}/auth/account`)
  await page.getByText('Your account').first().waitFor()

  const reached: string[] = []
  for (let pressed = 0; pressed < 12; pressed++) {
    await page.keyboard.press('Tab')
    reached.push(await page.evaluate(() => document.activeElement.textContent.trim()))
  }
  t.ok(reached.includes('Sign out') && reached.includes('Sign out everywhere'), reached.join())
  t.same(complaints, [])
})

t.test('no page is wider than a small phone', async t => {
  const context = await openContext(t, browser, { viewport: { width: 320, height: 640 } })
  const longest = 'x'.repeat(120)
  const { page } = await signIn(t, { context, username: longest })
  for (const path of ['/auth/account', '/auth/sign-in?step_up=1']) {
    await page.goto(`${origin}${path}`)
    t.ok(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), path)
  }
  await context.clearCookies()
  await page.goto(`${origin}/auth/sign-in`)
  t.ok(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth))
})

t.test('a name that is markup is text', async t => {
  const username = '<img/src=x/onerror=alert(1)>"\'><script>alert(2)</script>'
  const context = await openContext(t, browser)
  const dialogs: string[] = []
  context.on('dialog', dialog => {
    dialogs.push(dialog.message())
    void dialog.dismiss()
  })
  const page = await context.newPage()
  await page.goto(`${origin}/auth/sign-in`)
  await fillIn(page, username, 'wrong')
  t.equal(await page.getByLabel('Username').inputValue(), username)
  t.equal(await page.getByLabel('Password').inputValue(), '')
  await fillIn(page, username)
  await page.waitForURL(`${origin}/auth/account`)
  t.ok((await page.textContent('main'))!.includes(username))
  t.equal(await page.locator('img, main script').count(), 0)
  t.same(dialogs, [])
})

t.test('return_to leads nowhere but to a path of this origin', async t => {
  const context = await openContext(t, browser)
  const page = await context.newPage()
  const { host } = new URL(sites[0]!)
  for (const hostile of [`https://${host}/`, `//${host}/`, `/\\${host}/`, `\\\\${host}/`, `/\t/${host}/`, `/%09/${host}/`, `///${host}/`, `/%2f/${host}/`, `/.//${host}/`, `/..//${host}`, `/x/..//${host}/`, `https:${host}/`, 'javascript:alert(1)', 'data:text/html,x', `@${host}/`, `/@${host}/`, ` //${host}/`, `/page\r\nlocation: https://${host}/`, `.${host}/`]) {
    await context.clearCookies()
    await page.goto(`${origin}/auth/sign-in?return_to=${encodeURIComponent(hostile)}`)
    await fillIn(page)
    await page.waitForURL(url => url.pathname !== '/auth/sign-in')
    t.equal(new URL(page.url()).origin, origin, hostile)
  }
})

t.test('who signs in is led on to where the application then leads, even to another site', async t => {
  const context = await openContext(t, browser)
  const page = await context.newPage()
  await page.goto(`${origin}/away`)
  await fillIn(page)
  await page.waitForURL(`${sites[0]}/elsewhere`)
  t.pass('the page\'s own policy does not stand in the way')
})

t.test('a page that needs a recent sign-in is shown after the password, and then again without', async t => {
  const { page } = await signIn(t)
  gateway.advance(120_000)
  await page.goto(`${origin}/careful/1`)
  t.match(page.url(), /\/auth\/sign-in\?step_up=1/)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.waitForURL(`${origin}/careful/1`)
  t.equal((await page.goto(`${origin}/careful/1`))?.status(), 200)
})

t.test('another site can neither frame nor hold nor fill in the pages', async t => {
  for (const site of sites) {
    const { context } = await signIn(t)
    const page = await context.newPage()
    for (const path of ['/auth/sign-in', '/auth/account']) {
      await page.goto(site)
      front.requests.length = 0
      t.match(await frame(page, `${origin}${path}`), /^chrome-error:/, path)
      t.equal(front.seen('GET', path).length, 1, 'it was asked for, and not shown')
    }

    const [opened] = await Promise.all([context.waitForEvent('page'), page.evaluate(url => { Object.assign(globalThis, { opened: open(url) }) }, `${origin}/auth/account`)])
    await opened.waitForURL(`${origin}/auth/account`)
    t.equal(await page.evaluate('opened.closed'), true, 'the opener lost it')

    for (const [path, fields] of [['/auth/sign-in', { username: 'eve', password }], ['/auth/account', { action: 'sign-out-everywhere' }]] as const) {
      const forger = await context.newPage()
      await forger.goto(site)
      const answered = forger.waitForResponse(`${origin}${path}`)
      await forger.setContent(`<form method="post" action="${origin}${path}">${Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`).join('')}<button>Win</button></form>`)
      await forger.getByRole('button').click()
      t.equal((await answered).status(), 403, path)
      t.equal((await answered).headers()['set-cookie'], undefined)
    }
    const account = await context.newPage()
    await account.goto(`${origin}/auth/account`)
    t.equal(account.url(), `${origin}/auth/account`)
  }
})
