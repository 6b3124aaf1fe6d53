import type { BrowserContext, Page } from 'playwright-core'
import t from 'tap'
import { password } from '../helpers/build-gateway.ts'
import { makeAuthority } from '../helpers/certificate.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { openTab, startApplication, type Application } from './application.ts'
import { openContext, startBrowser } from './browser.ts'
import { startSecureGateway } from './gateway.ts'

/*
 * Ways through the sign-in page and back: with fragments and long links, with and without script, and in every mixture of the two
 * modes. A loop would be a page that never has the words that are waited for.
 */

declare const app: Application
declare const document: { head: { insertAdjacentHTML (where: string, html: string): void } }

const authority = makeAuthority()
const browser = await startBrowser(t, authority)
const application = await startApplication(t)
const wiki = await startUpstream(t, (request, response) => {
  request.resume()
  response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>The wiki</title><p>An article</p>')
})
const tokensPage = await startUpstream(t, (request, response) => {
  request.resume()
  response.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><title>A page</title><p id="who"></p><script type="module">
    import { createClient } from '/page/client/index.js'
    const here = encodeURIComponent(location.pathname + location.search)
    const signIn = () => location.assign('/auth/sign-in?return_to=' + here + location.hash)
    const client = createClient({ mode: 'tokens', onSignedOut: signIn })
    const session = await client.session()
    if (session === null) signIn()
    else document.getElementById('who').textContent = session.subject + ' ' + (await client.fetch('/orders/1')).status
  </script>`)
})
const { origin, advance, front } = await startSecureGateway(t, authority, () => ({
  pages: true,
  page: application.url,
  upstreams: [
    { prefix: '/wiki', target: wiki.url, audience: 'wiki', access: 'session' },
    { prefix: '/vault', target: wiki.url, audience: 'vault', access: 'session', stepUp: { maxAge: '5m' } },
    { prefix: '/app', target: tokensPage.url, access: 'public' }
  ]
}))

async function submit (page: Page): Promise<void> {
  await page.getByLabel('Username').fill('ada')
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

const who = async (tab: Page): Promise<string | undefined> => await tab.evaluate(async () => (await app.client.session())?.subject)

t.test('a page in tokens mode that leads to the sign-in page ends signed in, at its fragment', async t => {
  const page = await (await openContext(t, browser)).newPage()
  await page.goto(`${origin}/app?a=b#/deep/5`)

  await submit(page)

  await page.getByText('ada 200').waitFor()
  t.equal(page.url(), `${origin}/app?a=b#/deep/5`)
})

t.test('a page in tokens mode goes on after a navigation that needs a session, and so does a page in session mode', async t => {
  const context = await openContext(t, browser)
  const tab = await openTab(context, origin, 'tokens')
  await tab.evaluate(async credentials => await app.client.signIn(credentials), { username: 'ada', password })
  const page = await context.newPage()
  await page.goto(`${origin}/wiki`)
  await submit(page)
  await page.waitForURL(`${origin}/wiki`)

  t.equal(await tab.evaluate(async () => (await app.client.fetch('/orders/1')).status), 200)
  t.equal(await who(tab), 'ada')
  t.same(await tab.evaluate(() => app.told), [])
  t.equal(await who(await openTab(context, origin, 'session')), 'ada')
  await page.goto(`${origin}/app`)
  await page.getByText('ada 200').waitFor()
})

for (const javaScriptEnabled of [true, false]) {
  t.test(`a long link is kept through sign-in ${javaScriptEnabled ? 'with script, and so is its fragment' : 'without script'}`, async t => {
    const context: BrowserContext = await browser.newContext({ javaScriptEnabled })
    t.teardown(async () => { await context.close() })
    const page = await context.newPage()
    const link = `${origin}/wiki?q=${'long'.repeat(1500)}`
    await page.goto(`${link}#/deep/5?x=y`)
    await page.getByLabel('Username').fill('ada')
    await page.getByLabel('Password').fill('wrong password')
    await page.getByRole('button', { name: 'Sign in' }).click()
    await page.getByRole('alert').waitFor()

    await submit(page)

    await page.getByText('An article').waitFor()
    // A refresh, unlike a redirect, does not take the fragment along.
    t.equal(page.url(), javaScriptEnabled ? `${link}#/deep/5?x=y` : link)
  })
}

t.test('a fragment is kept through a step-up', async t => {
  const page = await (await openContext(t, browser)).newPage()
  await page.goto(`${origin}/vault`)
  await submit(page)
  await page.waitForURL(`${origin}/vault`)
  advance(600_000)
  await page.goto(`${origin}/vault/1#part`)
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Continue' }).click()

  await page.waitForURL(`${origin}/vault/1#part`)

  t.equal(await page.title(), 'The wiki')
})

t.test('a base of another site gets neither password nor token', async t => {
  const elsewhere = await startUpstream(t)
  const tab = await openTab(await openContext(t, browser), origin, 'tokens')
  await tab.evaluate(url => { document.head.insertAdjacentHTML('afterbegin', `<base href="${url}">`) }, elsewhere.url)
  front.requests.length = 0

  await tab.evaluate(async credentials => await app.client.signIn(credentials), { username: 'ada', password })
  await tab.evaluate(async () => { await app.client.fetch('orders/1').catch(() => {}) })

  t.equal(await who(tab), 'ada')
  t.equal(front.seen('POST', '/auth/login').length, 1)
  t.ok(elsewhere.requests.every(({ headers }) => headers.authorization === undefined))
})

t.test('a button of an application signs out in both modes', async t => {
  for (const mode of ['session', 'tokens'] as const) {
    const tab = await openTab(await openContext(t, browser), origin, mode)
    await tab.evaluate(async credentials => await app.client.signIn(credentials), { username: 'ada', password })
    await tab.evaluate(() => { document.head.insertAdjacentHTML('afterend', '<form method="post" action="/auth/sign-out"><button>Leave</button></form>') })

    await tab.getByRole('button', { name: 'Leave' }).click()

    await tab.getByText('You are signed out.').waitFor()
    t.same(await tab.context().cookies(`${origin}/auth`), [])
  }
})
