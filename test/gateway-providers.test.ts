import t, { type Test } from 'tap'
import type { ConfigInput } from '../config/schema.ts'
import { checkConfig } from '../config/load.ts'
import { composeGateway } from '../gateway/gateway.ts'
import type { Store } from '../stores/store.ts'
import { secret } from './helpers/build-app.ts'
import { findClosedPort } from './helpers/closed-port.ts'
import { Browser, clientOf, clientSecret, signOutAt, startOpenIdProvider, type TestProvider } from './helpers/openid-provider.ts'
import { generousLimits } from './helpers/sign-in.ts'
import { sharedStores } from './helpers/stores.ts'
import { startUpstream } from './helpers/upstream.ts'

/* A whole gateway, from its configuration, with identity providers. */

interface Started { url: string, close: () => Promise<void> }

async function startGateway (t: Test, port: number, config: Partial<ConfigInput> & Pick<ConfigInput, 'identity'>, store?: Store): Promise<Started> {
  const upstream = await startUpstream(t)
  const checked = checkConfig({
    origin: `http://localhost:${port}`,
    secret,
    listen: { host: '127.0.0.1', port },
    store: { type: 'sqlite', path: ':memory:' },
    log: { level: 'silent' },
    rateLimit: generousLimits,
    pages: true,
    upstreams: [{ prefix: '/orders', target: upstream.url, audience: 'orders', scopes: ['orders:read'] }],
    ...config
  }, { directory: '.', env: {} })
  const app = await composeGateway(checked, store === undefined ? {} : { store })
  t.teardown(async () => { await app.close() })
  await app.listen({ port, host: '127.0.0.1' })
  return { url: `http://localhost:${port}`, close: async () => { await app.close() } }
}

const corp = (provider: TestProvider, more: object = {}) => ({ type: 'oidc' as const, name: 'corp', issuer: provider.issuer, clientId: 'portcullis', clientSecret, claims: ['email', 'groups'], grant: [{ scopes: ['orders:read'] }], ...more })

for (const [name, open] of sharedStores) {
  t.test(`${name}: a navigation without a session leads to the only provider and back, and its logout ends the session at every gateway`, async t => {
    const [here, there] = [await findClosedPort(), await findClosedPort()]
    const origin = `http://localhost:${here}`
    const provider = await startOpenIdProvider(t, { clients: [clientOf(origin)] })
    const [mine, theirs] = await open(t)
    await startGateway(t, here, { identity: corp(provider) }, mine)
    await startGateway(t, there, { identity: corp(provider), origin }, theirs)
    const browser = new Browser()
    const { url, response } = await browser.signIn(`${origin}/orders/1?x=1`, 'ada')

    t.equal(url, `${origin}/orders/1?x=1`)
    t.equal(response.status, 200)
    const { session } = await (await browser.request(`${origin}/auth/session`)).json() as { session: object }
    t.match(session, { subject: 'corp|ada', provider: { name: 'corp' } })
    const cookie = browser.cookies(origin)
    const at = async (port: number) => (await fetch(`http://localhost:${port}/orders/1`, { headers: { cookie } })).status
    t.same([await at(here), await at(there)], [200, 200])
    await signOutAt(browser, provider.issuer)
    while (await at(there) !== 401);
    t.same([await at(here), await at(there)], [401, 401])
  })
}

t.test('a gateway starts while its provider is away, says so on a page, and signs in when it is back', async t => {
  const port = await findClosedPort()
  const origin = `http://localhost:${port}`
  const provider = await startOpenIdProvider(t, { clients: [clientOf(origin)] })
  const resume = await provider.pause()
  await startGateway(t, port, { identity: corp(provider) })
  const browser = new Browser()
  const away = await browser.request(`${origin}/auth/login/corp?return_to=/orders/1`)
  t.equal(away.status, 503)
  t.match(await away.text(), /PTC_ERR_PROVIDER_UNAVAILABLE/)
  t.match(away.headers.get('content-type'), /^text\/html/)
  await resume()
  let status = 503
  while (status === 503) {
    const { url, response } = await browser.signIn(`${origin}/auth/login/corp?return_to=/orders/1`, 'ada')
    status = response.status
    if (status !== 503) t.equal(url, `${origin}/orders/1`)
    await new Promise(resolve => setTimeout(resolve, 250))
  }
})

t.test('two providers beside a function are offered, and each has its own users', async t => {
  const port = await findClosedPort()
  const origin = `http://localhost:${port}`
  const [one, other] = [await startOpenIdProvider(t, { clients: [clientOf(origin)] }), await startOpenIdProvider(t, { clients: [clientOf(origin, { name: 'partners' })] })]
  await startGateway(t, port, { identity: [async ({ username, password }) => password === 'right' ? username : null, corp(one), corp(other, { name: 'partners' })] })
  const page = await (await new Browser().request(`${origin}/auth/sign-in?return_to=/orders/1`)).text()
  for (const text of ['Sign in with corp', 'Sign in with partners', 'Password']) t.match(page, text)
  for (const [name, subject] of [['corp', 'corp|ada'], ['partners', 'partners|ada']] as const) {
    const browser = new Browser()
    await browser.signIn(`${origin}/auth/login/${name}`, 'ada')
    t.match(await (await browser.request(`${origin}/auth/session`)).json(), { session: { subject } })
  }
  const answer = await fetch(`${origin}/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: 'ada', password: 'right' }) })
  t.match(await answer.json(), { session: { subject: 'ada', provider: null } })
})

t.test('a script without a session is told where to sign in, and never redirected', async t => {
  const port = await findClosedPort()
  const origin = `http://localhost:${port}`
  const provider = await startOpenIdProvider(t, { clients: [clientOf(origin)] })
  await startGateway(t, port, { identity: corp(provider) })
  const answer = await fetch(`${origin}/orders/1`, { redirect: 'manual' })
  t.equal(answer.status, 401)
  t.match(await answer.json(), { code: 'PTC_ERR_CREDENTIALS_MISSING', login_url: '/auth/login/corp' })
})

t.test('an operator\'s revocation is not undone by single sign-on: the provider asks for the password again', async t => {
  const port = await findClosedPort()
  const origin = `http://localhost:${port}`
  const provider = await startOpenIdProvider(t, { clients: [clientOf(origin)] })
  const admin = { host: '127.0.0.1', port: await findClosedPort(), token: 'token-of-the-operators-0123456789' }
  await startGateway(t, port, { identity: corp(provider), admin })
  const browser = new Browser()
  t.equal((await browser.signIn(`${origin}/orders/1`, 'ada')).asked, true)
  browser.forget(origin)
  t.equal((await browser.signIn(`${origin}/orders/1`, 'ada')).asked, false, 'single sign-on')
  const revoked = await fetch(`http://127.0.0.1:${admin.port}/admin/revocations`, { method: 'POST', headers: { authorization: `Bearer ${admin.token}`, 'content-type': 'application/json' }, body: JSON.stringify({ subject: 'corp|ada' }) })
  t.equal(revoked.status, 202)
  // Within the second of the revocation, what is earlier is unknown.
  await new Promise(resolve => setTimeout(resolve, 1100))
  const again = await browser.signIn(`${origin}/orders/1`, 'ada')
  t.equal(again.asked, true, 'after the revocation')
  t.equal(again.url, `${origin}/orders/1`)
  browser.forget(origin)
  t.equal((await browser.signIn(`${origin}/orders/1`, 'ada')).asked, false, 'and single sign-on works again')
})
