import type { BrowserContext, Page } from 'playwright-core'
import type { Test } from 'tap'
import type { Certificate } from '../helpers/certificate.ts'
import { password } from '../helpers/build-gateway.ts'
import { untilTrue } from '../helpers/portcullis.ts'
import type { Front } from './front.ts'
import { startSecureGateway } from './gateway.ts'

/*
 * Chromium signs six times in nine minutes for a site, and renews two minutes ahead: with this short a cookie, at every request. So
 * each test has a site of its own, which it asks for few things, and the tests of a file share one browser.
 */
const cookieTtl = '3s'

export const deviceCookie = '__Host-portcullis-device'
export const cookieNames = ['__Host-Http-portcullis', deviceCookie]

interface Session { sid: string, device: { bound_at: number } | null }

let sites = 0

/** Starts a site behind a gateway that binds sessions to devices. Ends with the test. */
export async function startBindingSite (t: Test, authority: Certificate, sockets = 'http://127.0.0.1:1'): Promise<BindingSite> {
  const { url, origin, front } = await startSecureGateway(t, authority, () => ({
    host: `gate.shop${++sites}.test`,
    pages: true,
    session: { deviceBound: { cookieTtl } },
    upstreams: [{ prefix: '/chat', target: sockets, audience: 'chat', websocket: true }]
  }))
  return new BindingSite(url, origin, front)
}

/** A site whose sessions are bound to devices, as browsers and as a thief of their cookies see it. */
export class BindingSite {
  readonly origin: string
  readonly front: Front
  readonly #url: string

  constructor (url: string, origin: string, front: Front) {
    this.#url = url
    this.origin = origin
    this.front = front
  }

  /** Opens a page of the site in a tab that closes with the test. */
  async openPage (t: Test, context: BrowserContext): Promise<Page> {
    const page = await context.newPage()
    t.teardown(async () => { await page.close() })
    await page.goto(`${this.origin}/page`)
    return page
  }

  async signInOn (page: Page): Promise<string> {
    return await page.evaluate(async body => {
      const answer = await fetch('/auth/login', { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
      return (await answer.json() as { session: { sid: string } }).session.sid
    }, { username: 'ada', password })
  }

  /** Signs in, and waits until the session is bound to the device. */
  async bind (t: Test, context: BrowserContext): Promise<{ page: Page, sid: string }> {
    this.front.requests.length = 0
    const page = await this.openPage(t, context)
    const sid = await this.signInOn(page)
    await untilTrue(async () => !await this.isGone(context), 10)
    t.same(this.front.seen('POST', '/auth/device/register').map(({ status }) => status), [200])
    return { page, sid }
  }

  async namesIn (context: BrowserContext): Promise<string[]> {
    return (await context.cookies(this.origin)).map(({ name }) => name).sort()
  }

  /** Whether the browser has no device cookie of the site. */
  async isGone (context: BrowserContext): Promise<boolean> {
    return !(await this.namesIn(context)).includes(deviceCookie)
  }

  async dropDeviceCookie (context: BrowserContext): Promise<void> {
    await context.clearCookies({ name: deviceCookie, domain: new URL(this.origin).hostname })
  }

  /** All cookies of the site, as a request would send them. */
  async jarOf (context: BrowserContext): Promise<string> {
    return (await context.cookies(this.origin)).map(({ name, value }) => `${name}=${value}`).join('; ')
  }

  async ask (page: Page, path = '/auth/session'): Promise<{ status: number, session?: Session }> {
    return await page.evaluate(async path => {
      const answer = await fetch(path)
      return { status: answer.status, ...answer.ok && path === '/auth/session' ? await answer.json() as { session: Session } : {} }
    }, path)
  }

  /** Asks from another device: nothing of the browser is involved. */
  async askWith (cookie: string, path = '/auth/session', headers: Record<string, string> = {}, method = 'GET'): Promise<number> {
    const answer = await fetch(`${this.#url}${path}`, { method, headers: { ...headers, cookie } })
    await answer.body?.cancel()
    return answer.status
  }

  refreshes (): Array<number | undefined> {
    return this.front.seen('POST', '/auth/device/refresh').map(({ status }) => status)
  }
}
