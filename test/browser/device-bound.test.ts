import type { BrowserContext, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { makeAuthority } from '../helpers/certificate.ts'
import { password } from '../helpers/build-gateway.ts'
import { untilTrue } from '../helpers/portcullis.ts'
import { startSocketUpstream } from '../helpers/sockets.ts'
import { prepareDevice } from './browser.ts'
import { startSite } from './front.ts'
import { startSecureGateway } from './gateway.ts'

/*
 * Somebody has copied all cookies of a browser: by malware that has gone since, from a backup, from a log of a proxy. With
 * device-bound sessions they are worth nothing once the short cookie has run out, because the next one takes a proof by a key that
 * never leaves the device. The browser does all of this by itself; the page knows nothing of it.
 */

/*
 * Chromium signs six times in nine minutes, and renews two minutes ahead: with this short a cookie, at every request. So each test
 * has a browser of its own, which is asked for few things.
 */
const cookieTtl = '3s'

const authority = makeAuthority()
const sockets = await startSocketUpstream(t)
const gateway = await startSecureGateway(t, authority, () => ({
  pages: true,
  session: { deviceBound: { cookieTtl } },
  upstreams: [{ prefix: '/chat', target: sockets.url, audience: 'chat', websocket: true }]
}))
const { origin, front } = gateway
const names = ['__Host-Http-portcullis', '__Host-Http-portcullis-device']

interface Session { sid: string, device: { bound_at: number } | null }

async function openPage (context: BrowserContext): Promise<Page> {
  front.mishap = () => null
  front.requests.length = 0
  const page = await context.newPage()
  await page.goto(`${origin}/page`)
  return page
}

async function signInOn (page: Page): Promise<string> {
  return await page.evaluate(async body => {
    const answer = await fetch('/auth/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    return (await answer.json() as { session: { sid: string } }).session.sid
  }, { username: 'ada', password })
}

/** Signed in, and bound to the device. */
async function bind (t: Test, context: BrowserContext): Promise<{ page: Page, sid: string }> {
  const page = await openPage(context)
  const sid = await signInOn(page)
  await untilTrue(async () => (await namesIn(context)).includes('__Host-Http-portcullis-device'), 10)
  t.same(front.seen('POST', '/auth/device/register').map(({ status }) => status), [200])
  return { page, sid }
}

async function namesIn (context: BrowserContext): Promise<string[]> {
  return (await context.cookies(origin)).map(({ name }) => name).sort()
}

/** All cookies, as a request would send them. */
async function jarOf (context: BrowserContext): Promise<string> {
  return (await context.cookies(origin)).map(({ name, value }) => `${name}=${value}`).join('; ')
}

async function ask (page: Page, path = '/auth/session'): Promise<{ status: number, session?: Session }> {
  return await page.evaluate(async path => {
    const answer = await fetch(path)
    return { status: answer.status, ...answer.ok && path === '/auth/session' ? await answer.json() as { session: Session } : {} }
  }, path)
}

/** From another device: nothing of the browser is involved. */
async function askWith (cookie: string, path = '/auth/session', headers: Record<string, string> = {}, method = 'GET'): Promise<number> {
  const answer = await fetch(`${gateway.url}${path}`, { method, headers: { ...headers, cookie } })
  await answer.body?.cancel()
  return answer.status
}

const refreshes = (): Array<number | undefined> => front.seen('POST', '/auth/device/refresh').map(({ status }) => status)
const isGone = async (context: BrowserContext): Promise<boolean> => !(await namesIn(context)).includes('__Host-Http-portcullis-device')

t.test('a browser binds its session by itself, and the page sees nothing of it', async t => {
  const context = await (await prepareDevice(t, authority)).start()
  const { page, sid } = await bind(t, context)

  const { session } = await ask(page)
  t.equal(session?.sid, sid)
  t.ok(Math.abs(session!.device!.bound_at - Date.now() / 1000) < 60)
  t.equal(await page.evaluate('document.cookie'), '')
  t.match((await context.cookies(origin)).find(({ name }) => name === names[1]), { httpOnly: true, secure: true, path: '/', domain: 'gate.shop.test', sameSite: 'Lax' })
  t.equal((await ask(page, '/orders/1')).status, 200)
})

t.test('the browser renews the device cookie when it has run out, before the request is sent', async t => {
  const context = await (await prepareDevice(t, authority)).start()
  const { page, sid } = await bind(t, context)
  for (const ending of [async () => { await untilTrue(async () => await isGone(context), 50) }, async () => { await context.clearCookies({ name: names[1]! }) }]) {
    await ending()
    front.requests.length = 0

    t.equal((await ask(page)).session?.sid, sid)
    t.same(front.seen('GET', '/auth/session').map(({ status }) => status), [200], 'never sent without it')
    t.equal(refreshes().includes(200), true)
    t.same(await namesIn(context), names)
  }
})

t.test('a stolen jar is dead when the device cookie has run out, while its owner goes on', async t => {
  const context = await (await prepareDevice(t, authority)).start()
  const { page, sid } = await bind(t, context)
  const stolen = await jarOf(context)
  t.equal(await askWith(stolen), 200, 'until then it is as good as its owner')
  t.equal(await askWith(stolen.replace(/; __Host-Http-portcullis-device=.*|__Host-Http-portcullis-device=[^;]*; /, '')), 401, 'the session cookie alone never is')

  await untilTrue(async () => await askWith(stolen) === 401, 50)
  for (const path of ['/auth/session', '/auth/sessions', '/orders/1']) t.equal(await askWith(stolen, path), 401, path)
  t.equal(await askWith(stolen, '/auth/device/refresh', { 'sec-secure-session-id': sid }, 'POST'), 403, 'it takes a proof')

  t.equal((await ask(page)).session?.sid, sid)
  t.equal((await ask(page, '/orders/1')).status, 200)
  t.equal(await askWith(stolen), 401)
})

t.test('a renewal whose answer is lost, or while the gateway is away, ends nothing', async t => {
  const context = await (await prepareDevice(t, authority)).start()
  const { page, sid } = await bind(t, context)
  for (const mishap of ['answer lost', 'request lost'] as const) {
    await context.clearCookies({ name: names[1]! })
    front.requests.length = 0
    let lost = 0
    front.mishap = ({ url, headers }) => url === '/auth/device/refresh' && 'secure-session-response' in headers && lost++ < 1 ? mishap : null
    await ask(page).catch(() => {})
    t.ok(lost > 0, mishap)
    front.mishap = () => null

    await untilTrue(async () => (await ask(page)).session?.sid === sid, 50)
    t.same(await namesIn(context), names)
  }
})

t.test('what a page asks for while its binding is under way is answered', async t => {
  const context = await (await prepareDevice(t, authority)).start()
  const page = await openPage(context)
  let answer = (): void => {}
  const held = new Promise<void>(resolve => { answer = resolve })
  front.mishap = ({ url }) => url === '/auth/device/register' ? { holdAnswer: held } : null
  const sid = await signInOn(page)
  await untilTrue(async () => front.seen('POST', '/auth/device/register')[0]?.status === 200, 5)

  t.equal((await ask(page)).session?.sid, sid)
  t.equal((await ask(page, '/orders/1')).status, 200)
  answer()
  await untilTrue(async () => !await isGone(context), 10)
  t.equal((await ask(page)).session?.sid, sid)
})

t.test('a session whose binding the browser did not hear of goes on', async t => {
  for (const mishap of ['answer lost', 'request lost'] as const) {
    const context = await (await prepareDevice(t, authority)).start()
    const page = await openPage(context)
    let lost = 0
    front.mishap = ({ url }) => url === '/auth/device/register' && lost++ < 1 ? mishap : null
    const sid = await signInOn(page)
    await untilTrue(async () => lost > 0 && (mishap === 'request lost' || front.seen('POST', '/auth/device/register')[0]!.status !== undefined), 10)

    t.equal((await ask(page)).session?.sid, sid, mishap)
    t.equal((await ask(page, '/orders/1')).status, 200)
    await context.close()
  }
})

t.test('a sign-in on the page binds the session, and the account page says so', async t => {
  const context = await (await prepareDevice(t, authority)).start()
  const page = await openPage(context)
  await page.goto(`${origin}/auth/sign-in`)
  await page.getByLabel('Username').fill('ada')
  await page.getByLabel('Password').fill(password)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.waitForURL(`${origin}/auth/account`)
  await untilTrue(async () => !await isGone(context), 10)
  await page.reload()
  t.ok(await page.getByText('Bound to its device').first().isVisible())
})

t.test('tabs that all need the device cookie at once get it, and none is refused', async t => {
  const context = await (await prepareDevice(t, authority)).start()
  const { page, sid } = await bind(t, context)
  const tabs = [page, await context.newPage(), await context.newPage()]
  for (const tab of tabs.slice(1)) await tab.goto(`${origin}/page`)
  await context.clearCookies({ name: names[1]! })
  const answers = await Promise.all(tabs.flatMap(tab => [ask(tab), ask(tab)]))
  t.same(answers.map(({ session }) => session?.sid), Array(6).fill(sid))
})

t.test('a browser that starts again with its session is still bound, by the same key', async t => {
  const device = await prepareDevice(t, authority, { keepsSessionCookies: true })
  const first = await device.start()
  const { page, sid } = await bind(t, first)
  const { session: before } = await ask(page)
  await first.close()

  const second = await device.start()
  await second.clearCookies({ name: names[1]! })
  front.requests.length = 0
  const again = await second.newPage()
  await again.goto(`${origin}/page`)
  const { session: after } = await ask(again)
  t.equal(after?.sid, sid)
  t.same(after?.device, before?.device)
  t.same(front.seen('POST', '/auth/device/register'), [])
  t.ok(refreshes().includes(200))
})

t.test('a browser that forgets its session when it ends signs in and binds anew', async t => {
  const device = await prepareDevice(t, authority)
  const first = await device.start()
  const { sid } = await bind(t, first)
  await first.close()

  const second = await device.start()
  const page = await second.newPage()
  await page.goto(`${origin}/page`)
  t.equal((await ask(page)).status, 401)
  const { page: signedIn, sid: next } = await bind(t, second)
  t.not(next, sid)
  t.equal((await ask(signedIn)).session?.sid, next)
})

t.test('sign-out ends the binding with the session', async t => {
  const context = await (await prepareDevice(t, authority)).start()
  const { page } = await bind(t, context)
  const stolen = await jarOf(context)
  t.equal(await page.evaluate(async () => (await fetch('/auth/logout', { method: 'POST' })).status), 204)

  t.equal((await ask(page)).status, 401)
  t.same(await namesIn(context), [])
  t.equal(await askWith(stolen), 401)
  const { sid } = await bind(t, context)
  t.equal((await ask(page)).session?.sid, sid)
})

t.test('a link of another site arrives signed in, also when the device cookie has run out', async t => {
  const context = await (await prepareDevice(t, authority)).start()
  const { page } = await bind(t, context)
  const site = await startSite(t, authority, 'other.test', `<!doctype html><title>A site</title><a href="${origin}/orders/1">Orders</a><a href="${origin}/auth/account">Account</a>`)
  for (const ending of [async () => {}, async () => { await context.clearCookies({ name: names[1]! }) }]) {
    await page.goto(site)
    await ending()
    await page.getByText('Orders').click()
    await page.getByText('ok', { exact: true }).waitFor()
    t.equal(page.url(), `${origin}/orders/1`)
  }

  await page.goto(site)
  await context.clearCookies({ name: names[1]! })
  await page.getByText('Account').click()
  await page.getByText('This session').waitFor()
  t.equal(page.url(), `${origin}/auth/account`)
})

t.test('a WebSocket on a bound session ends with the device cookie that opened it', async t => {
  const context = await (await prepareDevice(t, authority)).start()
  const { page } = await bind(t, context)
  await ask(page)
  const code = await page.evaluate(async url => await new Promise<number>(resolve => {
    const socket = new WebSocket(url)
    socket.onclose = ({ code }) => { resolve(code) }
  }), `${origin.replace('https:', 'wss:')}/chat`)
  t.equal(code, 1008)
})
