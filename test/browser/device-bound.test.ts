import t from 'tap'
import { makeAuthority } from '../helpers/certificate.ts'
import { password } from '../helpers/build-gateway.ts'
import { untilTrue } from '../helpers/portcullis.ts'
import { prepareDevice } from './browser.ts'
import { deviceCookie, startBindingSite } from './device-bound.ts'

/*
 * With device-bound sessions a browser proves with every new device cookie that it holds a key that never leaves the device. The
 * browser binds a session by itself when it is opened; the page knows nothing of it.
 */

const authority = makeAuthority()
const context = await (await prepareDevice(t, authority)).start()

t.test('a browser binds its session by itself, and the page sees nothing of it', async t => {
  const site = await startBindingSite(t, authority)
  const { page, sid } = await site.bind(t, context)

  const { session } = await site.ask(page)
  t.equal(session?.sid, sid)
  t.ok(Math.abs(session!.device!.bound_at - Date.now() / 1000) < 60)
  t.equal(await page.evaluate('document.cookie'), '')
  t.match((await context.cookies(site.origin)).find(({ name }) => name === deviceCookie), { httpOnly: true, secure: true, path: '/', domain: new URL(site.origin).hostname, sameSite: 'Lax' })
  t.equal((await site.ask(page, '/orders/1')).status, 200)
})

t.test('what a page asks for while its binding is under way is answered', async t => {
  const site = await startBindingSite(t, authority)
  const page = await site.openPage(t, context)
  let answer = (): void => {}
  const held = new Promise<void>(resolve => { answer = resolve })
  site.front.mishap = ({ url }) => url === '/auth/device/register' ? { holdAnswer: held } : null
  const sid = await site.signInOn(page)
  await untilTrue(async () => site.front.seen('POST', '/auth/device/register')[0]?.status === 200, 5)

  t.equal((await site.ask(page)).session?.sid, sid)
  t.equal((await site.ask(page, '/orders/1')).status, 200)
  answer()
  await untilTrue(async () => !await site.isGone(context), 10)
  t.equal((await site.ask(page)).session?.sid, sid)
})

t.test('a session whose binding the browser did not hear of goes on', async t => {
  for (const mishap of ['answer lost', 'request lost'] as const) {
    const site = await startBindingSite(t, authority)
    const page = await site.openPage(t, context)
    let lost = 0
    site.front.mishap = ({ url }) => url === '/auth/device/register' && lost++ < 1 ? mishap : null
    const sid = await site.signInOn(page)
    await untilTrue(async () => lost > 0 && (mishap === 'request lost' || site.front.seen('POST', '/auth/device/register')[0]!.status !== undefined), 10)

    t.equal((await site.ask(page)).session?.sid, sid, mishap)
    t.equal((await site.ask(page, '/orders/1')).status, 200)
  }
})

t.test('a sign-in on the page binds the session, and the account page says so', async t => {
  const site = await startBindingSite(t, authority)
  const page = await site.openPage(t, context)
  await page.goto(`${site.origin}/auth/sign-in`)
  await page.getByLabel('Username').fill('ada')
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`${site.origin}/auth/account`)
  await untilTrue(async () => !await site.isGone(context), 10)
  await page.reload()
  t.ok(await page.getByText('Bound to its device').first().isVisible())
})

t.test('a browser that starts again with its session is still bound, by the same key', async t => {
  const site = await startBindingSite(t, authority)
  const device = await prepareDevice(t, authority, { keepsSessionCookies: true })
  const first = await device.start()
  const { page, sid } = await site.bind(t, first)
  const { session: before } = await site.ask(page)
  await first.close()

  const second = await device.start()
  await site.dropDeviceCookie(second)
  site.front.requests.length = 0
  const again = await second.newPage()
  await again.goto(`${site.origin}/page`)
  const { session: after } = await site.ask(again)
  t.equal(after?.sid, sid)
  t.same(after?.device, before?.device)
  t.same(site.front.seen('POST', '/auth/device/register'), [])
  t.ok(site.refreshes().includes(200))
})

t.test('a browser that forgets its session when it ends signs in and binds anew', async t => {
  const site = await startBindingSite(t, authority)
  const device = await prepareDevice(t, authority)
  const first = await device.start()
  const { sid } = await site.bind(t, first)
  await first.close()

  const second = await device.start()
  const page = await second.newPage()
  await page.goto(`${site.origin}/page`)
  t.equal((await site.ask(page)).status, 401)
  const { page: signedIn, sid: next } = await site.bind(t, second)
  t.not(next, sid)
  t.equal((await site.ask(signedIn)).session?.sid, next)
})

t.test('sign-out ends the binding with the session', async t => {
  const site = await startBindingSite(t, authority)
  const { page } = await site.bind(t, context)
  const stolen = await site.jarOf(context)
  t.equal(await page.evaluate(async () => (await fetch('/auth/logout', { method: 'POST' })).status), 204)

  t.equal((await site.ask(page)).status, 401)
  t.same(await site.namesIn(context), [])
  t.equal(await site.askWith(stolen), 401)
  const { sid } = await site.bind(t, context)
  t.equal((await site.ask(page)).session?.sid, sid)
})
