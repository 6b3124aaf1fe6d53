import { createServer as createHttpServer } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import oidc from '../../../plugins/oidc.ts'
import authRoutes from '../../../routes/auth.ts'
import providerRoutes from '../../../routes/providers.ts'
import { buildApp, createStore, recordEvents, secret, until } from '../../helpers/build-app.ts'
import { Browser, clientOf, clientSecret, signOutAt, startOpenIdProvider, type TestProvider } from '../../helpers/openid-provider.ts'

/* Sign-ins at oidc-provider, over loopback. */

interface Server { app: FastifyInstance, origin: string, provider: TestProvider, advance: (ms: number) => void }

/** Starts a server with an identity provider, on free ports. */
async function start (t: Test): Promise<Server> {
  const port = await freePort()
  const origin = `http://127.0.0.1:${port}`
  const provider = await startOpenIdProvider(t, { clients: [clientOf(origin)] })
  const { store, advance } = await createStore(t)
  const app = await buildApp(t, store, { cookies: { origin } }, async app => {
    await app.register(oidc, { secret, providers: [{ name: 'corp', issuer: provider.issuer, clientId: 'portcullis', clientSecret, grant: [{ scopes: ['orders:read'] }] }] })
    await app.register(authRoutes, { prefix: '/auth', origin, audiences: [], identity: { verify: async () => null } })
    await app.register(providerRoutes, { prefix: '/auth', origin, audiences: [] })
    app.get('/orders', async () => 'orders')
  })
  await app.listen({ port, host: '127.0.0.1' })
  return { app, origin, provider, advance }
}

async function freePort (): Promise<number> {
  const server = createHttpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function sessionOf (browser: Browser, origin: string): Promise<{ sid: string, subject: string, auth_time: number } | null> {
  const response = await browser.request(`${origin}/auth/session`)
  return response.status === 200 ? (await response.json() as { session: { sid: string, subject: string, auth_time: number } }).session : null
}

t.test('a user signs in, and a logout at the provider ends the session here', async t => {
  const { origin, provider } = await start(t)
  const events = recordEvents(t)
  const browser = new Browser()
  const { url, response } = await browser.signIn(`${origin}/auth/login/corp?return_to=/orders`, 'ada')
  t.equal(url, `${origin}/orders`)
  t.equal(response.status, 200)
  t.match(await sessionOf(browser, origin), { subject: 'corp|ada' })
  await signOutAt(browser, provider.issuer)
  await until(async () => await sessionOf(browser, origin) === null)
  t.ok(events.some(({ event, outcome, sessions }) => event === 'provider.logout' && outcome === 'ended' && sessions === 1))
})

t.test('after a cut, the provider asks for the password again, although it knows the user', async t => {
  const { app, origin } = await start(t)
  const browser = new Browser()
  await browser.signIn(`${origin}/auth/login/corp`, 'ada')
  const silent = new Browser()
  t.ok((await silent.signIn(`${origin}/auth/login/corp`, 'ada')).asked)
  t.notOk((await silent.signIn(`${origin}/auth/login/corp`, 'ada')).asked, 'single sign-on is silent otherwise')
  await app.portcullis.blocklist.revoke({ subject: 'corp|ada' })
  t.equal(await sessionOf(silent, origin), null)
  const { asked } = await silent.signIn(`${origin}/auth/login/corp?return_to=/orders`, 'ada')
  t.ok(asked)
  t.match(await sessionOf(silent, origin), { subject: 'corp|ada' })
})

t.test('a step-up at the provider keeps the session, for the same user alone', async t => {
  const { origin, provider } = await start(t)
  const browser = new Browser()
  await browser.signIn(`${origin}/auth/login/corp`, 'ada')
  const before = await sessionOf(browser, origin)
  const stepped = await browser.signIn(`${origin}/auth/login/corp?step_up=1&return_to=/orders`, 'ada')
  t.ok(stepped.asked)
  t.equal(stepped.url, `${origin}/orders`)
  t.equal((await sessionOf(browser, origin))?.sid, before?.sid)
  browser.forget(provider.issuer)
  const other = await browser.signIn(`${origin}/auth/login/corp?step_up=1&return_to=/orders`, 'eve')
  t.equal(other.response.status, 403)
  t.match(await sessionOf(browser, origin), { subject: 'corp|ada' })
})

t.test('a sign-out here leads to the page of the provider, and back', async t => {
  const { origin, provider } = await start(t)
  const browser = new Browser()
  await browser.signIn(`${origin}/auth/login/corp`, 'ada')
  const response = await browser.request(`${origin}/auth/logout`, { method: 'POST', headers: { 'content-type': 'application/json', 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'same-origin' } })
  t.equal(response.status, 204)
  await browser.signIn(`${origin}/auth/login/corp`, 'ada')
  const cookie = browser.cookies(origin)
  const answer = await fetch(`${origin}/auth/logout`, { method: 'POST', headers: { cookie, 'content-type': 'application/json' }, body: JSON.stringify({ provider: true }) })
  t.equal(answer.status, 200)
  const { logout_url: url } = await answer.json() as { logout_url: string }
  t.ok(url.startsWith(provider.issuer))
  t.ok(new URL(url).searchParams.get('id_token_hint'))
  t.equal((await browser.request(url)).status, 200, 'the provider accepts the hint and the address to return to')
  t.equal(await sessionOf(browser, origin), null)
})

t.test('a provider that cannot be reached is a page with 503, and sessions go on', async t => {
  const { origin, provider } = await start(t)
  const browser = new Browser()
  await browser.signIn(`${origin}/auth/login/corp`, 'ada')
  const late = new Browser()
  const { url } = await late.signIn(`${origin}/auth/login/corp`, 'ada', { until: url => url.includes('/auth/callback/') })
  const resume = await provider.pause()
  const response = await late.request(url)
  t.equal(response.status, 503)
  t.match(response.headers.get('content-type'), /^text\/html/)
  t.ok(await sessionOf(browser, origin))
  await resume()
  await late.signIn(url, 'ada')
  t.match(await sessionOf(late, origin), { subject: 'corp|ada' }, 'the same address starts the sign-in again')
})
