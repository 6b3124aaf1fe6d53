import type { Browser, BrowserContext, Page } from 'playwright-core'
import type { Test } from 'tap'
import { checkConfig } from '../../config/load.ts'
import { composeGateway } from '../../gateway/gateway.ts'
import { secret } from '../helpers/build-app.ts'
import { makeAuthority } from '../helpers/certificate.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { clientOf, clientSecret, startOpenIdProvider, type TestProvider } from '../helpers/openid-provider.ts'
import { startRedis } from '../helpers/redis-server.ts'
import { generousLimits } from '../helpers/sign-in.ts'
import { startUpstream } from '../helpers/upstream.ts'
import { openContext, startBrowser } from './browser.ts'

/* A gateway whose users sign in at oidc-provider, and what users and operators do there. */

export interface ProviderGateway {
  browser: Browser
  provider: TestProvider
  origin: string
  /** Signs a new browser context in, at a page. */
  signIn (t: Test, account: string, path?: string): Promise<{ context: BrowserContext, page: Page }>
  /** Status of a page for a script of this browser. */
  statusOf (page: Page, path?: string): Promise<number>
  statusBecomes (page: Page, status: number): Promise<void>
  /** Revokes a subject as an operator; resolves to the status of the answer. */
  cutOff (subject: string): Promise<number>
  /** Redis answers nothing until the returned function is called. */
  pauseRedis (t: Test): () => void
}

/** Starts everything: Redis, oidc-provider, a service with an event stream at /app/feed, the gateway, and Chromium. */
export async function startProviderGateway (t: Test): Promise<ProviderGateway> {
  const browser = await startBrowser(t, makeAuthority())
  const redis = await startRedis(t)
  const port = await findClosedPort()
  const origin = `http://localhost:${port}`
  const provider = await startOpenIdProvider(t, { clients: [clientOf(origin)] })
  const admin = { host: '127.0.0.1', port: await findClosedPort(), token: 'token-of-the-operators-0123456789' }
  const service = await startService(t)
  const app = await composeGateway(checkConfig({
    origin,
    secret,
    listen: { host: '127.0.0.1', port },
    admin,
    store: { type: 'redis', url: redis.url },
    log: { level: 'silent' },
    rateLimit: generousLimits,
    pages: true,
    identity: { type: 'oidc', name: 'corp', issuer: provider.issuer, clientId: 'portcullis', clientSecret },
    upstreams: [
      { prefix: '/app', target: service, audience: 'app' },
      { prefix: '/careful', target: service, audience: 'careful', stepUp: { maxAge: '2s' } }
    ]
  }, { directory: '.', env: {} }))
  t.teardown(async () => { await app.close() })
  await app.listen({ port, host: '127.0.0.1' })

  const statusOf = async (page: Page, path = '/app'): Promise<number> => (await page.request.get(origin + path, { maxRedirects: 0, headers: { 'sec-fetch-mode': 'cors' } })).status()
  return {
    browser,
    provider,
    origin,
    async signIn (t, account, path = '/app') {
      const context = await openContext(t, browser)
      const page = await context.newPage()
      await page.goto(origin + path)
      await signInAtProvider(page, account)
      await page.waitForURL(origin + path)
      return { context, page }
    },
    statusOf,
    async statusBecomes (page, status) {
      while (await statusOf(page) !== status) await page.waitForTimeout(50)
    },
    cutOff: async subject => (await fetch(`http://127.0.0.1:${admin.port}/admin/revocations`, { method: 'POST', headers: { authorization: `Bearer ${admin.token}`, 'content-type': 'application/json' }, body: JSON.stringify({ subject }) })).status,
    pauseRedis (t) {
      redis.pause()
      t.teardown(() => { redis.resume() })
      return () => { redis.resume() }
    }
  }
}

async function startService (t: Test): Promise<string> {
  const { url } = await startUpstream(t, (request, response) => {
    request.resume()
    if (request.url === '/app/feed') {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      const timer = setInterval(() => { response.write('data: tick\n\n') }, 50)
      response.on('close', () => { clearInterval(timer) })
      return
    }
    response.writeHead(200, { 'content-type': 'text/html' }).end(`<!doctype html><title>Page ${request.url}</title><h1>The application</h1>`)
  })
  return url
}

/** Fills in the form of the provider, by its labels. */
export async function signInAtProvider (page: Page, account: string): Promise<void> {
  await page.getByLabel('Account').fill(account)
  await page.getByRole('button', { name: 'Sign in' }).click()
}

export const asksForAccount = async (page: Page): Promise<boolean> => await page.getByLabel('Account').isVisible()
