import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { build } from '../../examples/oidc.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { Browser, clientOf, clientSecret, signOutAt, startOpenIdProvider, type TestProvider } from '../helpers/openid-provider.ts'

async function start (t: Test): Promise<{ app: FastifyInstance, origin: string, provider: TestProvider }> {
  const port = await findClosedPort()
  const origin = `http://localhost:${port}`
  const provider = await startOpenIdProvider(t, { clients: [clientOf(origin)], users: { eve: { claims: { email_verified: false } } } })
  const app = await build({ origin, corp: { issuer: provider.issuer, clientId: 'portcullis', clientSecret } })
  t.teardown(async () => { await app.close() })
  await app.listen({ port, host: '127.0.0.1' })
  return { app, origin, provider }
}

t.test('a user signs in at the provider, and what the application adds is kept with the session', async t => {
  const { origin } = await start(t)
  const browser = new Browser()
  const { url, response } = await browser.signIn(`${origin}/auth/login/corp?return_to=/projects`, 'ada')

  t.equal(url, `${origin}/projects`)
  t.match(await response.json(), { of: 'corp|ada', claims: { email: 'ada@example.com', groups: ['staff'] }, data: { projects: ['engine'] } })
})

t.test('a user whom the application refuses has no session', async t => {
  const { origin } = await start(t)
  const browser = new Browser()
  const { response } = await browser.signIn(`${origin}/auth/login/corp?return_to=/projects`, 'eve')

  t.equal(response.status, 403)
  t.equal((await browser.request(`${origin}/auth/session`)).status, 401)
})

t.test('the provider ends the session, and a copy of its cookie with it', async t => {
  const { origin, provider } = await start(t)
  const browser = new Browser()
  await browser.signIn(`${origin}/auth/login/corp?return_to=/projects`, 'ada')
  const cookie = browser.cookies(origin)
  await signOutAt(browser, provider.issuer)

  t.equal((await fetch(`${origin}/projects`, { headers: { cookie } })).status, 401)
})

t.test('a script is told where to sign in, and where to authenticate again', async t => {
  const { origin } = await start(t)
  t.match(await (await fetch(`${origin}/projects`)).json(), { code: 'PTC_ERR_CREDENTIALS_MISSING', login_url: '/auth/login/corp' })
})
