import { createHmac } from 'node:crypto'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import type { ProviderOptions } from '../../../plugins/oidc.ts'
import type { Provider } from '../../../plugins/oidc/provider.ts'
import { encode, foreignKey, signForeign } from '../../helpers/foreign-issuer.ts'
import { clientFor, clientId, clientSecret, newSecrets, signInAt, startHostileProvider, type HostileProvider } from '../../helpers/hostile-provider.ts'

/* ID tokens that a provider, or who stands in its place, may answer with. */

async function start (t: Test, settings: Partial<ProviderOptions> = {}): Promise<{ provider: HostileProvider, client: Provider }> {
  const provider = await startHostileProvider(t)
  return { provider, client: await clientFor(t, provider, settings) }
}

/** Claims of the user that no error and no log may contain. */
const marker = 'ada@secret.example.com'

async function refusal (t: Test, signIn: Promise<unknown>, title: string): Promise<{ code?: string, reason?: string }> {
  const error: unknown = await signIn.then(() => null, (error: unknown) => error)
  const shown = inspect(error, { depth: 10, showHidden: true })
  for (const secret of [marker, clientSecret, 'eyJ']) t.notOk(shown.includes(secret), `${title}: the error contains no ${secret}`)
  const { code, cause } = (error ?? {}) as { code?: string, cause?: Error }
  return { ...code === undefined ? {} : { code }, ...cause === undefined ? {} : { reason: cause.message } }
}

const now = (): number => Math.floor(Date.now() / 1000)
const far = 'x'.repeat(2000)

const claims: Record<string, Array<Record<string, unknown>>> = {
  iss: [{ iss: 'https://other.example.com' }, { iss: undefined }, { iss: ['http://127.0.0.1'] }, { iss: null }],
  sub: [{ sub: undefined }, { sub: '' }, { sub: 5 }, { sub: null }, { sub: ['ada'] }, { sub: { a: 1 } }, { sub: 'ada\0eve' }, { sub: 'ada\n' }, { sub: '\ud800' }, { sub: 'x'.repeat(960) }, { sub: 'x'.repeat(10_000) }],
  aud: [{ aud: 'other' }, { aud: undefined }, { aud: [] }, { aud: ['other'] }, { aud: 5 }, { aud: [clientId, 'other'] }, { aud: [clientId, 'other'], azp: 'other' }, { aud: [clientId, 5] }, { aud: { 0: clientId } }, { aud: `${clientId} ` }],
  azp: [{ azp: 'other' }, { azp: 5 }],
  exp: [{ exp: undefined }, { exp: now() - 60 }, { exp: String(now() + 300) }, { exp: null }, { exp: true }],
  iat: [{ iat: undefined }, { iat: now() + 600 }, { iat: String(now()) }, { iat: -1 }, { iat: null }],
  nbf: [{ nbf: now() + 600 }, { nbf: '0' }],
  nonce: [{ nonce: undefined }, { nonce: 'other' }, { nonce: 5 }, { nonce: '' }],
  auth_time: [{ auth_time: now() + 600 }, { auth_time: (now() - 60) * 1000 }, { auth_time: String(now()) }, { auth_time: -5 }, { auth_time: [now()] }, { auth_time: true }],
  sid: [{ sid: 5 }, { sid: '' }, { sid: far }, { sid: 'a\0b' }, { sid: '\udc00' }, { sid: ['a'] }, { sid: {} }],
  acr: [{ acr: 2 }, { acr: ['2'] }, { acr: far }, { acr: '2\r\nx: y' }, { acr: '\ud800' }, { acr: true }],
  amr: [{ amr: 'pwd' }, { amr: [5] }, { amr: [''] }, { amr: ['a\nb'] }, { amr: Array.from({ length: 500 }, () => 'otp') }, { amr: { 0: 'pwd' } }],
  session_expiry: [{ session_expiry: 'never' }, { session_expiry: -1 }, { session_expiry: 1e300 }, { session_expiry: [1] }]
}

for (const [name, changes] of Object.entries(claims)) {
  t.test(`an ID token with a wrong ${name} signs nobody in`, async t => {
    const { provider, client } = await start(t)
    for (const change of changes) {
      provider.claims = { email: marker, ...change }
      t.match(await refusal(t, signInAt(provider, client), name), { code: 'PTC_ERR_LOGIN_INVALID', reason: /^[\w ]+$/ }, inspect(change).slice(0, 60))
    }
    provider.claims = {}
    t.equal((await signInAt(provider, client)).sub, 'ada', 'a right one does')
  })
}

t.test('unusual claims that are valid sign the user in as they are', async t => {
  const { provider, client } = await start(t)
  for (const change of [{ sub: 'a|b' }, { sub: 'corp|ada' }, { sub: '__proto__' }, { sub: 'Zoë 🐘' }, { sub: 'x'.repeat(959) }, { aud: [clientId] }, { aud: [clientId, 'other'], azp: clientId }, { sid: undefined }, { auth_time: undefined }, { auth_time: now() - 0.5 }, { acr: '' }, { amr: [] }, { exp: now() - 2 }, { iat: now() + 3 }]) {
    provider.claims = change
    const user = await signInAt(provider, client)
    t.equal(user.sub, change.sub ?? 'ada', inspect(change).slice(0, 60))
  }
})

t.test('a claim with the name of a prototype is a claim like others, and changes no object', async t => {
  const { provider, client } = await start(t, { claims: ['__proto__', 'constructor', 'groups'], grant: [{ claim: 'toString', value: 'x', scopes: ['a'] }, { claim: 'groups', value: 'staff', scopes: ['b'] }], allow: { claim: 'polluted', value: 'yes' } })
  provider.makeIdToken = claims => signForeign(provider.key, JSON.stringify(claims).replace('{', '{"__proto__":{"polluted":"yes","groups":["staff"]},'), { alg: 'ES256', kid: 'k1' })
  const user = await signInAt(provider, client)
  t.match(client.admit(user), { isAllowed: false })
  t.equal(({} as { polluted?: string }).polluted, undefined)
  provider.claims = { polluted: 'yes' }
  t.match(client.admit(await signInAt(provider, client)), { isAllowed: false, reason: 'the claims to keep must not have a member __proto__' })
})

const forgeries: Record<string, (provider: HostileProvider, claims: Record<string, unknown>) => string> = {
  'without algorithm (none)': (_provider, claims) => `${encode({ alg: 'none' })}.${encode(claims)}.`,
  'without algorithm, with a signature': ({ key }, claims) => signForeign(key, claims, { alg: 'none', kid: 'k1' }),
  'with the secret of the client (HS256)': (_provider, claims) => hmac(claims, clientSecret),
  'with the public key as a secret (HS256)': ({ key }, claims) => hmac(claims, key.publicKey.export({ type: 'spki', format: 'pem' }) as string),
  'with the published key as a secret (HS256)': ({ key }, claims) => hmac(claims, JSON.stringify(key.jwk)),
  'by a key that the header brings along': (_provider, claims) => { const key = foreignKey('k1'); return signForeign(key, claims, { alg: 'ES256', kid: 'k1', jwk: key.jwk, jku: 'http://127.0.0.1/jwks' }) },
  'by another key of the same name': (_provider, claims) => signForeign(foreignKey('k1'), claims, { alg: 'ES256', kid: 'k1' }),
  'by the right key, under another algorithm': ({ key }, claims) => signForeign(key, claims, { alg: 'RS256', kid: 'k1' }),
  'with an extension that is critical': ({ key }, claims) => signForeign(key, claims, { alg: 'ES256', kid: 'k1', crit: ['b64'], b64: false }),
  'that repeats a claim': ({ key }, claims) => signForeign(key, JSON.stringify(claims).replace('{', '{"sub":"eve",'), { alg: 'ES256', kid: 'k1' }),
  'that repeats a member of its header': ({ key }, claims) => signForeign(key, claims, '{"alg":"ES256","alg":"none","kid":"k1"}'),
  'that is nested deep': ({ key }, claims) => signForeign(key, `{"x":${'['.repeat(50)}${']'.repeat(50)},${JSON.stringify(claims).slice(1)}`, { alg: 'ES256', kid: 'k1' }),
  'that is padded': ({ key }, claims) => `${signForeign(key, claims, { alg: 'ES256', kid: 'k1' })}=`,
  'that is huge': ({ key }, claims) => signForeign(key, { ...claims, x: 'x'.repeat(20_000) }, { alg: 'ES256', kid: 'k1' }),
  'that is encrypted': () => 'a.b.c.d.e',
  'that is a list': ({ key }) => signForeign(key, '[]', { alg: 'ES256', kid: 'k1' }),
  'that is no token': () => 'token'
}

function hmac (claims: Record<string, unknown>, secret: string): string {
  const input = `${encode({ alg: 'HS256', typ: 'JWT', kid: 'k1' })}.${encode(claims)}`
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

for (const [name, forge] of Object.entries(forgeries)) {
  t.test(`an ID token ${name} signs nobody in`, async t => {
    const { provider, client } = await start(t)
    for (const algorithms of [['ES256'], ['ES256', 'RS256', 'HS256', 'none']]) {
      provider.metadata = { id_token_signing_alg_values_supported: algorithms }
      provider.makeIdToken = claims => forge(provider, { ...claims, email: marker })
      t.match(await refusal(t, signInAt(provider, client), name), { code: 'PTC_ERR_LOGIN_INVALID' }, algorithms.join())
    }
  })
}

t.test('a signature that the provider lists as accepted, but that proves nothing, is refused', async t => {
  for (const name of ['without algorithm, with a signature', 'with the secret of the client (HS256)'] as const) {
    const provider = await startHostileProvider(t)
    provider.metadata = { id_token_signing_alg_values_supported: ['none', 'HS256', 'ES256'] }
    const client = await clientFor(t, provider)
    provider.makeIdToken = claims => forgeries[name]!(provider, claims)
    t.match(await refusal(t, signInAt(provider, client), name), { code: 'PTC_ERR_LOGIN_INVALID', reason: /^(?:an ID token with an algorithm that is not supported|OAUTH_\w+)$/ }, name)
    t.equal(provider.count('keys'), 1, 'and the keys are not read for it')
  }
})

t.test('strength and age are those that the configuration demands, whatever the sign-in asks for', async t => {
  const { provider, client } = await start(t, { acr: { values: ['mfa', 'phr'] }, maxAge: '1h' })
  const address = new URL(await client.authorizationUrl(newSecrets(), { acrValues: ['pwd'], maxAgeSeconds: 999_999 }))
  t.same([address.searchParams.get('acr_values'), address.searchParams.get('max_age')], ['mfa phr', '3600'])
  const demands = { acrValues: ['pwd'], maxAgeSeconds: 999_999 }
  for (const acr of ['pwd', '', undefined, 'mfa']) {
    provider.claims = { acr }
    t.match(await refusal(t, signInAt(provider, client, { demands }), 'acr'), { code: 'PTC_ERR_LOGIN_FORBIDDEN', reason: 'acr' }, `acr ${acr}`)
  }
  provider.claims = { acr: 'mfa' }
  t.equal((await signInAt(provider, client)).acr, 'mfa')
  t.match(await refusal(t, signInAt(provider, client, { demands: { acrValues: ['phr'] } }), 'acr'), { reason: 'acr' }, 'a step-up demands more')
  provider.claims = { acr: 'mfa', auth_time: undefined }
  t.match(await refusal(t, signInAt(provider, client), 'auth_time'), { code: 'PTC_ERR_LOGIN_INVALID', reason: 'auth_time is missing' })
})
