import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { makeAuthority } from '../helpers/certificate.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { untilTrue } from '../helpers/portcullis.ts'
import { openContext, startBrowser } from './browser.ts'

/*
 * What `npm start` shows to whoever opens it: both modes, through the page as a newcomer uses it. And the page that docs/guides/browser.md
 * shows, in the same place.
 */

const { origin, printed } = await startDemo(t)
const browser = await startBrowser(t, makeAuthority())

/** As `npm start` does. Resolves to its address, and to what it has printed. */
async function startDemo (t: Test): Promise<{ origin: string, printed: string }> {
  const port = await findClosedPort()
  const directory = t.testdir()
  const demo = spawn(process.execPath, [join(import.meta.dirname, '..', '..', 'examples', 'demo.ts'), '--port', String(port)], { cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] })
  let printed = ''
  demo.stdout.setEncoding('utf8').on('data', chunk => { printed += String(chunk) })
  t.teardown(async () => {
    demo.kill('SIGTERM')
    if (demo.exitCode === null) await once(demo, 'exit')
  })
  await untilTrue(() => Promise.resolve(printed.includes('portcullis listening on')), 30)
  return { origin: `http://localhost:${port}`, printed }
}

async function openSignedIn (t: Test, mode: 'session' | 'tokens'): Promise<{ page: Page, errors: string[] }> {
  const context = await openContext(t, browser)
  const page = await context.newPage()
  const errors: string[] = []
  page.on('pageerror', error => errors.push(error.message))
  await page.goto(origin)
  await page.check(`[value=${mode}]`)
  await page.click('#sign-in button')
  await says(page, 'Signed in as demo.')
  return { page, errors }
}

async function says (page: Page, text: string): Promise<void> {
  await page.locator('#log li', { hasText: text }).first().waitFor()
}

t.test('the provider of the demo signs in, and a sign-out there ends the session here', async t => {
  const issuer = /an identity provider at (\S+),/.exec(printed)?.[1] ?? ''
  const page = await (await openContext(t, browser)).newPage()
  await page.goto(`${origin}/auth/account`)
  await page.getByRole('link', { name: 'Sign in with corp' }).click()
  await page.getByLabel('Account').fill('ada')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`${origin}/auth/account`)
  t.match(await (await page.request.get(`${origin}/auth/session`)).json(), { session: { subject: 'corp|ada' } })

  await page.goto(`${issuer}/session/end`)
  await page.getByRole('button', { name: 'Sign out' }).click()
  await page.getByText('You are signed out of the provider.').waitFor()
  t.equal((await page.request.get(`${origin}/auth/session`)).status(), 401)
})

for (const mode of ['session', 'tokens'] as const) {
  t.test(`the page of the demo signs in, calls a service, pays, and drops what is live at sign-out, in ${mode} mode`, async t => {
    const { page, errors } = await openSignedIn(t, mode)
    t.equal(await page.locator('#subject').textContent(), 'demo')

    await page.click('[data-do=orders]')
    await says(page, '"aud": "orders"')
    await page.click('[data-do=pay]')
    await says(page, 'POST /billing/pay: 200.')
    await page.click('[data-do=live]')
    await says(page, 'It is live')
    t.equal((await page.locator('body').textContent())?.includes('eyJ'), false, 'no token is on the page')

    await page.click('[data-do=everywhere]')
    await says(page, mode === 'session' ? 'closed the WebSocket (1008)' : 'cut the stream')
    await page.locator('#sign-in').waitFor()
    t.same(errors, [])
  })
}

t.test('the page of the demo knows after a reload who is signed in', async t => {
  for (const mode of ['session', 'tokens'] as const) {
    const { page } = await openSignedIn(t, mode)
    await page.reload()
    await page.locator('#signed-in').waitFor()
    t.equal(await page.locator('#subject').textContent(), 'demo')
  }
})

t.test('the page of the documentation asks whoever is not signed in to do so, and shows what a service answers', async t => {
  const documentation = await readFile(new URL('../../docs/guides/browser.md', import.meta.url), 'utf8')
  const html = /^```html\n(.*?)^```$/ms.exec(documentation)![1]!
  const page = await (await openContext(t, browser)).newPage()
  await page.route(`${origin}/mine`, async route => { await route.fulfill({ contentType: 'text/html', body: html }) })

  await page.goto(`${origin}/mine`)
  await page.waitForURL(`${origin}/auth/sign-in?return_to=%2Fmine`)
  await page.getByLabel('Username').fill('demo')
  await page.getByLabel('Password').fill('open-the-gate')
  await page.getByRole('button', { name: 'Sign in' }).click()

  await page.waitForURL(`${origin}/mine`)
  // What a redirect leads to comes from the server; the page is the test's.
  await page.goto(`${origin}/mine`)
  await page.locator('#orders', { hasText: '"sub": "demo"' }).waitFor()
})
