import t, { type Test } from 'tap'
import { createClient } from '../../../plugins/oidc/create-client.ts'

/* The issuer of a discovery document. The tests answer in place of the provider, because openid-client knows some providers by their hosts. */

const secrets = { state: 'state-of-this-sign-in', nonce: 'nonce', codeVerifier: 'v'.repeat(43) }

const cases = [
  { title: 'Entra ID for users of every tenant', issuer: 'https://login.microsoftonline.com/common/v2.0', stated: 'https://login.microsoftonline.com/{tenantid}/v2.0' },
  { title: 'another tenant of Entra ID', issuer: 'https://login.microsoftonline.com/one/v2.0', stated: 'https://login.microsoftonline.com/other/v2.0' },
  { title: 'another tenant of Azure AD B2C', issuer: 'https://one.b2clogin.com/one/v2.0', stated: 'https://other.b2clogin.com/other/v2.0' },
  { title: 'another spelling', issuer: 'https://idp.example.com', stated: 'https://idp.example.com/' },
  { title: 'another provider', issuer: 'https://idp.example.com', stated: 'https://other.example.com' }
]

async function start (t: Test, issuer: string, stated: string) {
  t.intercept(globalThis, 'fetch', { value: async () => Response.json({ issuer: stated, authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks` }) })
  const client = await createClient({ name: 'corp', issuer, clientId: 'portcullis', clientSecret: 'secret', scopes: ['openid'], claims: [], grant: [], sessionExpiry: 'honour' }, { redirectUri: 'http://localhost:8080/auth/callback/corp', now: Date.now, onProblem () {} })
  t.teardown(async () => { await client.stop() })
  return client
}

for (const { title, issuer, stated } of cases) {
  t.test(`a discovery document that states another issuer is refused: ${title}`, async t => {
    await t.rejects((await start(t, issuer, stated)).authorizationUrl(secrets, {}), { code: 'PTC_ERR_PROVIDER_UNAVAILABLE', cause: { message: 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED' } })
  })
}

t.test('a tenant of Entra ID that states the issuer of the setting is used', async t => {
  const issuer = 'https://login.microsoftonline.com/one/v2.0'
  t.match(await (await start(t, issuer, issuer)).authorizationUrl(secrets, {}), `${issuer}/auth?`)
})
