import { randomBytes } from 'node:crypto'
import t, { type Test } from 'tap'
import Fastify from 'fastify'
import blocklist from '../../../plugins/blocklist.ts'
import cookies from '../../../plugins/cookies.ts'
import oidc, { type OidcOptions, type ProviderOptions } from '../../../plugins/oidc.ts'
import { discover } from '../../../plugins/oidc/discovered.ts'
import type { AuthorizationDemands, Provider } from '../../../plugins/oidc/provider.ts'
import session from '../../../plugins/session.ts'
import store from '../../../plugins/store.ts'
import { secret } from '../../helpers/build-app.ts'
import { Browser, clientOf, clientSecret, startOpenIdProvider } from '../../helpers/openid-provider.ts'

/* The client of a provider against oidc-provider: what is asked, and what is believed. */

const origin = 'http://localhost:8080'

async function start (t: Test, settings: Partial<ProviderOptions> & { issuer: string }, options: Partial<OidcOptions> = {}): Promise<Provider> {
  const app = Fastify()
  t.teardown(async () => { await app.close() })
  await app.register(store, { type: 'sqlite', path: ':memory:' })
  await app.register(cookies, { origin })
  await app.register(blocklist)
  await app.register(session)
  await app.register(oidc, { secret, providers: [{ name: 'corp', clientId: 'portcullis', clientSecret, ...settings }], ...options })
  await app.ready()
  return app.portcullis.oidc.providers.get('corp')!
}

const text = (): string => randomBytes(32).toString('base64url')

async function signIn (provider: Provider, account: string, { demands = {}, browser = new Browser() }: { demands?: AuthorizationDemands, browser?: Browser } = {}) {
  const secrets = { state: text(), nonce: text(), codeVerifier: text() }
  const address = await provider.authorizationUrl(secrets, demands)
  const { url, asked } = await browser.signIn(address, account, { until: next => next.startsWith(origin) })
  return { secrets, address, asked, query: new URL(url).searchParams, user: async () => await provider.redeem(new URL(url).searchParams, secrets, demands) }
}

for (const pushed of ['off', 'offered', 'required'] as const) {
  t.test(`a user signs in with a code that belongs to this sign-in alone (pushed requests: ${pushed})`, async t => {
    const { issuer } = await startOpenIdProvider(t, { clients: [clientOf(origin)], pushed })
    const provider = await start(t, { issuer, claims: ['email', 'groups'], grant: [{ scopes: ['a'] }, { claim: 'groups', value: 'staff', scopes: ['b'] }] })
    const { address, query, user } = await signIn(provider, 'ada')
    const authenticated = await user()

    t.equal(new URL(address).searchParams.has('request_uri'), pushed !== 'off')
    t.equal(query.get('iss'), issuer)
    t.equal(authenticated.sub, 'ada')
    t.match(authenticated.sid, /^.+$/)
    t.type(authenticated.authTime, 'number', 'the provider states it although nothing demands a recent authentication')
    t.match(provider.admit(authenticated), { isAllowed: true, scopes: ['a', 'b'], claims: { email: 'ada@example.com', groups: ['staff'] } })
    await t.rejects(user(), { code: 'PTC_ERR_LOGIN_INVALID' }, 'a code is redeemed once')
  })
}

t.test('each secret of a sign-in is needed', async t => {
  const { issuer } = await startOpenIdProvider(t, { clients: [clientOf(origin)] })
  const provider = await start(t, { issuer })
  for (const name of ['state', 'nonce', 'codeVerifier'] as const) {
    const { query, secrets } = await signIn(provider, 'ada')
    await t.rejects(provider.redeem(query, { ...secrets, [name]: text() }, {}), { code: 'PTC_ERR_LOGIN_INVALID' }, name)
  }
})

t.test('a provider that is asked to authenticate the user again does so, and states when', async t => {
  const { issuer } = await startOpenIdProvider(t, { clients: [clientOf(origin)] })
  const provider = await start(t, { issuer })
  const browser = new Browser()
  const first = await signIn(provider, 'ada', { browser })
  const silent = await signIn(provider, 'ada', { browser })
  const forced = await signIn(provider, 'ada', { browser, demands: { prompt: 'login', maxAgeSeconds: 0 } })
  const strong = await signIn(provider, 'ada', { browser, demands: { prompt: 'login', acrValues: ['2'] } })

  t.same([first.asked, silent.asked, forced.asked], [true, false, true])
  t.type((await forced.user()).authTime, 'number')
  t.equal((await strong.user()).acr, '2')
})

t.test('a user who cancels is refused, and a provider that is away is no refusal', async t => {
  const running = await startOpenIdProvider(t, { clients: [clientOf(origin)] })
  const provider = await start(t, { issuer: running.issuer })
  const secrets = { state: text(), nonce: text(), codeVerifier: text() }
  const browser = new Browser()
  const { url } = await browser.follow(await provider.authorizationUrl(secrets, {}))
  const answer = await browser.request(url, { method: 'POST', form: { cancel: '1' } })
  const { url: back } = await browser.follow(new URL(answer.headers.get('location')!, url).href, { until: next => next.startsWith(origin) })
  await t.rejects(provider.redeem(new URL(back).searchParams, secrets, {}), { code: 'PTC_ERR_LOGIN_FORBIDDEN', cause: { message: 'access_denied' } })

  const { query, secrets: own } = await signIn(provider, 'ada')
  const resume = await running.pause()
  await t.rejects(provider.redeem(query, own, {}), { code: 'PTC_ERR_PROVIDER_UNAVAILABLE' })
  await resume()
  t.equal((await provider.redeem(query, own, {})).sub, 'ada', 'and the code is good afterwards')
})

t.test('the address of the sign-out at the provider has the hint and where to go afterwards', async t => {
  const { issuer } = await startOpenIdProvider(t, { clients: [clientOf(origin)] })
  const provider = await start(t, { issuer })
  const address = new URL((await provider.logoutUrl({ idToken: 'hint', returnTo: `${origin}/` }))!)

  t.ok(address.href.startsWith(`${issuer}/session/end`))
  t.same(Object.fromEntries(address.searchParams), { client_id: 'portcullis', id_token_hint: 'hint', post_logout_redirect_uri: `${origin}/` })
})

t.test('a demand for a strength is essential where the provider takes such claims, and another strength is refused', async t => {
  const { issuer } = await startOpenIdProvider(t, { clients: [clientOf(origin)], pushed: 'off' })
  const provider = await start(t, { issuer, acr: { values: ['2'] } })
  const browser = new Browser()
  const strong = await signIn(provider, 'ada', { browser })
  const stronger = await signIn(provider, 'ada', { browser, demands: { acrValues: ['3'] } })

  t.same(JSON.parse(new URL(strong.address).searchParams.get('claims')!), { id_token: { acr: { essential: true, values: ['2'] } } })
  t.equal((await strong.user()).acr, '2')
  await t.rejects(stronger.user(), { code: 'PTC_ERR_LOGIN_FORBIDDEN', cause: { message: 'acr' } })
})

t.test('the keys remain when the provider is asked for its configuration again', async t => {
  const { issuer } = await startOpenIdProvider(t, { clients: [clientOf(origin)] })
  const options = { issuer, clientId: 'portcullis', clientSecret, signal: new AbortController().signal, now: Date.now, onKeysError: () => {} }
  const first = await discover(options)
  t.teardown(async () => { await first.keys.stop() })

  t.equal((await discover(options, first)).keys, first.keys)
  t.not((await discover(options, { ...first, keysId: 'elsewhere' })).keys, first.keys)
})
