import type { BrowserContext, Page } from 'playwright-core'
import t, { type Test } from 'tap'
import { makeAuthority } from '../helpers/certificate.ts'
import { password } from '../helpers/build-gateway.ts'
import { startSocketUpstream } from '../helpers/sockets.ts'
import { openContext, startBrowser } from './browser.ts'
import { startSite } from './front.ts'
import { frame } from './frame.ts'
import { startSecureGateway } from './gateway.ts'

/*
 * Somebody who is signed in visits another site, and that site's page does what pages can: it posts forms, fetches, loads pictures
 * and scripts, opens WebSockets, frames us and plants cookies. The browser is a real one, so that what it adds and what it keeps
 * from the page is what browsers do. A sibling sub-domain counts for the browser as the same site: it sends even SameSite=Strict
 * cookies from there. It may be anybody's all the same.
 */

interface Field { name: string, value: string }
interface Form { method: string, action: string, enctype: string, submit (): void, append (field: Field): void }
interface Loaded { src: string, onload: () => void, onerror: () => void }
declare const document: {
  cookie: string
  body: { append (element: unknown): void }
  createElement (name: 'form'): Form
  createElement (name: 'input'): Field
  createElement (name: 'img' | 'script'): Loaded
}
declare const cookieStore: { getAll (): Promise<unknown[]>, set (cookie: { name: string, value: string, path: string }): Promise<void> }

const authority = makeAuthority()
const browser = await startBrowser(t, authority)
const sockets = await startSocketUpstream(t)
const gateway = await startSecureGateway(t, authority, () => ({ upstreams: [{ prefix: '/chat', target: sockets.url, audience: 'chat', websocket: true }] }))
const { origin, front, orders } = gateway

const sites = [
  { kind: 'cross-site', site: await startSite(t, authority, 'other.test') },
  { kind: 'same-site', site: await startSite(t, authority, 'sibling.shop.test') }
] as const

type SignInMode = 'session' | 'tokens'

/** Somebody who has signed in at the gateway. Resolves to the sid. */
async function signIn (context: BrowserContext, mode: SignInMode = 'session'): Promise<string> {
  const page = await context.newPage()
  await page.goto(`${origin}/page`)
  const sid = await page.evaluate(async body => {
    const answer = await fetch('/auth/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    return (await answer.json() as { session: { sid: string } }).session.sid
  }, { username: 'ada', password, mode })
  await page.close()
  return sid
}

/** A page of the other site in the browser of somebody who has signed in. */
async function lure (t: Test, site: string): Promise<{ context: BrowserContext, page: Page, sid: string }> {
  const context = await openContext(t, browser)
  const sid = await signIn(context)
  const page = await context.newPage()
  await page.goto(site)
  front.requests.length = 0
  orders.requests.length = 0
  return { context, page, sid }
}

/** Who the browser's cookies still stand for. */
async function sessionOf (context: BrowserContext): Promise<string | null> {
  const page = await context.newPage()
  await page.goto(`${origin}/page`)
  const sid = await page.evaluate(async () => {
    const answer = await fetch('/auth/session')
    return answer.ok ? (await answer.json() as { session: { sid: string } }).session.sid : null
  })
  await page.close()
  return sid
}

const hasSessionCookie = (cookie: string | undefined): boolean => /(^|; )__Host-Http-portcullis=[^;]{20}/.test(cookie ?? '')

for (const { kind, site } of sites) {
  t.test(`a form of a ${kind} page changes nothing`, async t => {
    const { context, sid } = await lure(t, site)
    for (const [path, enctype] of [['/auth/logout', 'text/plain'], ['/auth/logout', 'application/x-www-form-urlencoded'], ['/auth/login', 'text/plain'], ['/auth/step-up', 'multipart/form-data'], ['/orders/1', 'application/x-www-form-urlencoded']] as const) {
      const page = await context.newPage()
      await page.goto(site)
      const answered = page.waitForResponse(`${origin}${path}`)
      await page.evaluate(({ action, enctype }) => {
        const form = Object.assign(document.createElement('form'), { method: 'post', action, enctype })
        // What is posted as text/plain is JSON: the = is within a string.
        form.append(Object.assign(document.createElement('input'), { name: '{"username":"eve","password":"correct horse","x":"', value: '"}' }))
        document.body.append(form)
        form.submit()
      }, { action: `${origin}${path}`, enctype })

      // Without the cookie, which Lax keeps from forms of other sites, the upstream refuses for want of a credential.
      t.equal((await answered).status(), path === '/orders/1' && kind === 'cross-site' ? 401 : 403, `${path} ${enctype}`)
      t.equal((await answered).headers()['set-cookie'], undefined)
      await page.close()
    }

    t.equal(front.requests.some(({ headers }) => hasSessionCookie(headers.cookie)), kind === 'same-site', 'the browser sends the cookie to siblings')
    t.same(new Set(front.requests.filter(({ method }) => method === 'POST').map(({ headers }) => headers['sec-fetch-site'])), new Set([kind]))
    t.same(orders.requests, [])
    t.equal(await sessionOf(context), sid)
  })

  t.test(`a fetch of a ${kind} page changes nothing and reads nothing`, async t => {
    const { context, page, sid } = await lure(t, site)
    const outcomes = await page.evaluate(async origin => {
      const tried: Record<string, string> = {}
      for (const [method, path] of [['POST', '/auth/logout'], ['POST', '/auth/refresh'], ['POST', '/orders/1'], ['GET', '/auth/session'], ['GET', '/auth/sessions'], ['GET', '/orders/1'], ['PUT', '/orders/1'], ['DELETE', '/auth/sessions/x']] as const) {
        for (const mode of ['no-cors', 'cors'] as const) {
          for (const type of method === 'POST' ? ['text/plain', 'application/json'] : [null]) {
            tried[`${method} ${path} ${mode} ${type}`] = await fetch(`${origin}${path}`, { method, mode, credentials: 'include', ...type === null ? {} : { headers: { 'content-type': type }, body: '{}' } })
              .then(async ({ type, status }) => `${type} ${status}`, () => 'refused')
          }
        }
      }
      return tried
    }, origin)

    for (const [attempt, outcome] of Object.entries(outcomes)) t.match(outcome, /^(refused|opaque 0)$/, attempt)
    t.same(new Set(front.requests.filter(({ method }) => method === 'POST').map(({ status }) => status)), new Set(kind === 'cross-site' ? [403, 401] : [403]))
    t.equal(front.requests.some(({ headers }) => hasSessionCookie(headers.cookie)), kind === 'same-site')
    t.same(orders.requests.filter(({ method }) => method !== 'GET'), [])
    t.equal(await sessionOf(context), sid)
  })

  t.test(`a picture or a script that a ${kind} page loads from us changes nothing and does not load`, async t => {
    const { context, page, sid } = await lure(t, site)
    const outcomes = await page.evaluate(async origin => {
      const tried: Record<string, string> = {}
      for (const path of ['/auth/session', '/auth/sessions', '/auth/logout', '/auth/login?username=eve', '/.well-known/jwks.json']) {
        for (const name of ['img', 'script'] as const) {
          tried[`${name} ${path}`] = await new Promise(resolve => {
            document.body.append(Object.assign(document.createElement(name), { onload: () => { resolve('loaded') }, onerror: () => { resolve('refused') }, src: `${origin}${path}` }))
          })
        }
      }
      return tried
    }, origin)

    t.same(Object.values(outcomes).filter(outcome => outcome !== 'refused'), [])
    t.equal(front.requests.length, 10, 'they were asked for')
    t.same(await context.cookies(origin).then(cookies => cookies.map(({ name }) => name)), ['__Host-Http-portcullis'])
    t.equal(await sessionOf(context), sid)
  })

  t.test(`a WebSocket of a ${kind} page is not opened`, async t => {
    const { page } = await lure(t, site)
    const before = sockets.requests.length
    t.equal(await openSocket(page), 'refused')

    const [upgrade] = front.requests
    t.equal(hasSessionCookie(upgrade?.headers.cookie), kind === 'same-site')
    t.equal(upgrade?.headers.origin, new URL(site).origin)
    t.equal(sockets.requests.length, before)
  })

  t.test(`a ${kind} page frames none of our answers`, async t => {
    const { page } = await lure(t, site)
    for (const path of ['/auth/session', '/auth/none', '/.well-known/jwks.json']) {
      await page.goto(site)
      t.match(await frame(page, `${origin}${path}`), /^chrome-error:/, path)
      t.equal(front.seen('GET', path).length, 1)
    }
  })
}

t.test('a page of our own opens the WebSocket', async t => {
  const context = await openContext(t, browser)
  await signIn(context)
  const page = await context.newPage()
  await page.goto(`${origin}/page`)
  t.equal(await openSocket(page), 'opened')
  t.ok(sockets.requests.length > 0)
})

async function openSocket (page: Page): Promise<string> {
  return await page.evaluate(async url => await new Promise<string>(resolve => {
    const socket = new WebSocket(url)
    socket.onopen = () => { resolve('opened') }
    socket.onerror = () => { resolve('refused') }
  }), `${origin.replace('https:', 'wss:')}/chat`)
}

t.test('a sibling site plants no session cookie, and a refresh cookie that it plants is refused', async t => {
  const context = await openContext(t, browser)
  const sid = await signIn(context)
  await plant(context, '__Host-Http-portcullis=eve')
  t.equal(await sessionOf(context), sid)

  // Nothing keeps a sibling from this one: two of them are too many, so that nobody is signed in as somebody else.
  await signIn(context, 'tokens')
  t.equal(await refresh(context), '200 undefined')
  await plant(context, '__Secure-portcullis-refresh=eve')
  t.equal(await refresh(context), '400 PTC_ERR_COOKIE_DUPLICATE')
})

t.test('no script sets a session cookie, not even one of a page of the origin, and what it sets under a former name is not read', async t => {
  const context = await openContext(t, browser)
  const sid = await signIn(context)
  const page = await context.newPage()
  await page.goto(`${origin}/page`)
  const held = async () => (await context.cookies(origin)).filter(({ name }) => name.includes('portcullis')).map(({ name, value }) => `${name}=${value.slice(0, 22)}`).sort()

  for (const name of ['__Host-Http-portcullis', '__host-http-portcullis', '=__Host-Http-portcullis']) {
    await page.evaluate(async name => {
      for (const rest of ['Path=/; Secure', 'Path=/; Secure; HttpOnly', 'Path=/; Secure; Max-Age=0']) document.cookie = `${name}=eve; ${rest}`
      await cookieStore.set({ name, value: 'eve', path: '/' }).catch(() => {})
    }, name)
    t.same(await held(), [`__Host-Http-portcullis=${sid}`], name)
  }

  // Browsers let a script set this one: beside the cookie of the gateway it counts for nothing.
  await page.evaluate(() => { document.cookie = '__Host-portcullis=eve; Path=/; Secure' })
  t.same(await held(), [`__Host-Http-portcullis=${sid}`, '__Host-portcullis=eve'])
  t.equal(await sessionOf(context), sid)
})

async function plant (context: BrowserContext, cookie: string): Promise<void> {
  const page = await context.newPage()
  await page.goto(sites[1].site)
  await page.evaluate(cookie => { document.cookie = `${cookie}; Domain=shop.test; Path=/; Secure` }, cookie)
  await page.evaluate(cookie => { document.cookie = `${cookie}; Domain=shop.test; Path=/auth; Secure` }, cookie)
  await page.close()
}

async function refresh (context: BrowserContext): Promise<string> {
  const page = await context.newPage()
  await page.goto(`${origin}/page`)
  const outcome = await page.evaluate(async () => {
    const answer = await fetch('/auth/refresh', { method: 'POST' })
    return `${answer.status} ${(await answer.json() as { code?: string }).code}`
  })
  await page.close()
  return outcome
}

t.test('no script reads a cookie of ours, in either mode', async t => {
  for (const mode of ['session', 'tokens'] as const) {
    const context = await openContext(t, browser)
    await signIn(context, mode)
    const page = await context.newPage()
    await page.goto(`${origin}/page`)

    t.same(await page.evaluate(async () => [document.cookie, await cookieStore.getAll()]), ['', []])
    const [cookie, ...more] = await context.cookies(`${origin}/auth`)
    t.match(cookie, { httpOnly: true, secure: true, domain: 'gate.shop.test', sameSite: mode === 'session' ? 'Lax' : 'Strict', expires: -1 })
    t.same(more, [])
  }
})
