import t from 'tap'
import { makeAuthority } from '../helpers/certificate.ts'
import { untilTrue } from '../helpers/portcullis.ts'
import { startSocketUpstream } from '../helpers/sockets.ts'
import { prepareDevice } from './browser.ts'
import { cookieNames, startBindingSite } from './device-bound.ts'
import { startSite } from './front.ts'

/*
 * Somebody has copied all cookies of a browser: by malware that has gone since, from a backup, from a log of a proxy. With
 * device-bound sessions they are worth nothing once the short cookie has run out, because the next one takes a proof by a key that
 * never leaves the device. The browser does all of this by itself; the page knows nothing of it.
 */

const authority = makeAuthority()
const context = await (await prepareDevice(t, authority)).start()
const sockets = await startSocketUpstream(t)

t.test('the browser renews the device cookie when it has run out, before the request is sent', async t => {
  const site = await startBindingSite(t, authority)
  const { page, sid } = await site.bind(t, context)
  for (const ending of [async () => { await untilTrue(async () => await site.isGone(context), 50) }, async () => { await site.dropDeviceCookie(context) }]) {
    await ending()
    site.front.requests.length = 0

    t.equal((await site.ask(page)).session?.sid, sid)
    t.same(site.front.seen('GET', '/auth/session').map(({ status }) => status), [200], 'never sent without it')
    t.equal(site.refreshes().includes(200), true)
    t.same(await site.namesIn(context), cookieNames)
  }
})

t.test('a stolen jar is dead when the device cookie has run out, while its owner goes on', async t => {
  const site = await startBindingSite(t, authority)
  const { page, sid } = await site.bind(t, context)
  const stolen = await site.jarOf(context)
  t.equal(await site.askWith(stolen), 200, 'until then it is as good as its owner')
  t.equal(await site.askWith(stolen.replace(/; __Host-portcullis-device=.*|__Host-portcullis-device=[^;]*; /, '')), 401, 'the session cookie alone never is')

  await untilTrue(async () => await site.askWith(stolen) === 401, 50)
  for (const path of ['/auth/session', '/auth/sessions', '/orders/1']) t.equal(await site.askWith(stolen, path), 401, path)
  t.equal(await site.askWith(stolen, '/auth/device/refresh', { 'sec-secure-session-id': sid }, 'POST'), 403, 'it takes a proof')

  t.equal((await site.ask(page)).session?.sid, sid)
  t.equal((await site.ask(page, '/orders/1')).status, 200)
  t.equal(await site.askWith(stolen), 401)
})

t.test('a renewal whose answer is lost, or while the gateway is away, ends nothing', async t => {
  const site = await startBindingSite(t, authority)
  const { page, sid } = await site.bind(t, context)
  for (const mishap of ['answer lost', 'request lost'] as const) {
    await site.dropDeviceCookie(context)
    site.front.requests.length = 0
    let lost = 0
    site.front.mishap = ({ url, headers }) => url === '/auth/device/refresh' && 'secure-session-response' in headers && lost++ < 1 ? mishap : null
    await site.ask(page).catch(() => {})
    t.ok(lost > 0, mishap)
    site.front.mishap = () => null

    await untilTrue(async () => (await site.ask(page)).session?.sid === sid, 50)
    t.same(await site.namesIn(context), cookieNames)
  }
})

t.test('tabs that all need the device cookie at once get it, and none is refused', async t => {
  const site = await startBindingSite(t, authority)
  const { page, sid } = await site.bind(t, context)
  const tabs = [page, await context.newPage(), await context.newPage()]
  for (const tab of tabs.slice(1)) await tab.goto(`${site.origin}/page`)
  await site.dropDeviceCookie(context)
  const answers = await Promise.all(tabs.flatMap(tab => [site.ask(tab), site.ask(tab)]))
  t.same(answers.map(({ session }) => session?.sid), Array(6).fill(sid))
})

t.test('a link of another site arrives signed in, also when the device cookie has run out', async t => {
  const site = await startBindingSite(t, authority)
  const { page } = await site.bind(t, context)
  const other = await startSite(t, authority, 'other.test', `<!doctype html><title>A site</title><a href="${site.origin}/orders/1">Orders</a><a href="${site.origin}/auth/account">Account</a>`)
  for (const ending of [async () => {}, async () => { await site.dropDeviceCookie(context) }]) {
    await page.goto(other)
    await ending()
    await page.getByText('Orders').click()
    await page.getByText('ok', { exact: true }).waitFor()
    t.equal(page.url(), `${site.origin}/orders/1`)
  }

  await page.goto(other)
  await site.dropDeviceCookie(context)
  await page.getByText('Account').click()
  await page.getByText('This session').waitFor()
  t.equal(page.url(), `${site.origin}/auth/account`)
})

t.test('a WebSocket on a bound session ends with the device cookie that opened it', async t => {
  const site = await startBindingSite(t, authority, sockets.url)
  const { page } = await site.bind(t, context)
  await site.ask(page)
  const code = await page.evaluate(async url => await new Promise<number>(resolve => {
    const socket = new WebSocket(url)
    socket.onclose = ({ code }) => { resolve(code) }
  }), `${site.origin.replace('https:', 'wss:')}/chat`)
  t.equal(code, 1008)
})
