import t from 'tap'
import { createStore } from '../helpers/build-app.ts'
import { makeAuthority } from '../helpers/certificate.ts'
import { buildSecondFactorApp, challengeCookieName, code, password } from '../helpers/second-factor.ts'
import { openContext, startBrowser } from './browser.ts'
import { startFront } from './front.ts'

/* A user signs in with a password and a code on the gateway's pages, as a browser shows them, with scripts and without. */

declare const document: { activeElement: { id: string }, documentElement: { scrollWidth: number, clientWidth: number } }

const authority = makeAuthority()
const browser = await startBrowser(t, authority)
const front = await startFront(t, authority, 'gate.shop.test')
const { origin } = front
const { store, advance } = await createStore(t)
const { app } = await buildSecondFactorApp(t, store, { plugins: { cookies: { origin } }, routes: { origin, audiences: ['orders'] } })
front.target = await app.listen({ host: '127.0.0.1', port: 0 })

for (const javaScriptEnabled of [true, false]) {
  t.test(`a user enters a password and a code, ${javaScriptEnabled ? 'with' : 'without'} scripts`, async t => {
    const context = await openContext(t, browser, { javaScriptEnabled, colorScheme: javaScriptEnabled ? 'dark' : 'light', viewport: { width: 360, height: 640 } })
    const page = await context.newPage()
    const complaints: string[] = []
    page.on('console', message => { if (message.type() === 'error' && !message.text().includes('status of 401')) complaints.push(message.text()) })
    await page.goto(`${origin}/auth/sign-in?return_to=/auth/account`)
    await page.getByLabel('Username').fill('ada')
    await page.getByLabel('Password').fill(password)
    await page.getByRole('button', { name: 'Sign in' }).click()

    const field = page.getByLabel('One-time code')
    await field.waitFor()
    t.equal(await page.title(), `One more step · ${new URL(origin).host}`)
    t.equal(await field.getAttribute('autocomplete'), 'one-time-code')
    if (javaScriptEnabled) {
      t.equal(await page.evaluate(() => document.activeElement.id), 'response', 'one may type at once')
      t.ok(await page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth), 'it fits a phone')
    }
    const [cookie] = await context.cookies(origin)
    t.match(cookie, { name: challengeCookieName, httpOnly: true, secure: true, sameSite: 'Strict', path: '/' })
    t.equal((await context.cookies(origin)).length, 1, 'no session yet')

    await field.fill('000000')
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('alert').waitFor()
    t.equal(await page.getByRole('alert').textContent(), 'The code is wrong.')
    t.equal(await page.getByLabel('One-time code').inputValue(), '')

    await page.getByLabel('One-time code').fill(code)
    await page.getByRole('button', { name: 'Continue' }).click()
    await page.getByRole('heading', { name: 'Your account' }).waitFor()
    t.equal(page.url(), `${origin}/auth/account`)
    t.same((await context.cookies(origin)).map(({ name }) => name), ['__Host-Http-portcullis'])
    t.same(complaints, [])
  })
}

t.test('a user who is too late starts again', async t => {
  const context = await openContext(t, browser)
  const page = await context.newPage()
  await page.goto(`${origin}/auth/sign-in`)
  await page.getByLabel('Username').fill('ada')
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByLabel('One-time code').fill(code)
  advance(300_000)
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByText('That took too long, or it was done already. Start again.').waitFor()
  t.ok(await page.getByLabel('Password').isVisible())
})
