import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { createClient } from '../../../plugins/oidc/create-client.ts'
import { clientOf, clientSecret, startOpenIdProvider } from '../../helpers/openid-provider.ts'

/* A provider that does not accept this client, which only the operator can resolve. */

const redirectUri = 'http://localhost:8080/auth/callback/corp'
const secrets = { state: 'state-of-this-sign-in', nonce: 'nonce', codeVerifier: 'v'.repeat(43) }
const text = (secret: string) => ({ clientSecret: secret })

async function start (t: Test, issuer: string, settings: object = {}) {
  const client = await createClient({ name: 'corp', issuer, clientId: 'portcullis', clientSecret, scopes: ['openid'], claims: [], grant: [], sessionExpiry: 'honour', ...settings }, { redirectUri, now: Date.now, onProblem () {} })
  t.teardown(async () => { await client.stop() })
  return client
}

const answer = (issuer: string) => new URLSearchParams({ code: 'a', state: secrets.state, iss: issuer })
const refusal = { code: 'PTC_ERR_PROVIDER_UNAVAILABLE', cause: { message: 'the provider does not accept this client: invalid_client' } }

t.test('a wrong secret is a problem of the gateway, not of the user who signs in', async t => {
  const { issuer } = await startOpenIdProvider(t, { clients: [clientOf('http://localhost:8080')], pushed: 'off' })
  await t.rejects((await start(t, issuer, text('of-another-client'))).redeem(answer(issuer), secrets, {}), refusal)
  await t.rejects((await start(t, issuer)).redeem(answer(issuer), secrets, {}), { code: 'PTC_ERR_LOGIN_INVALID', cause: { message: 'invalid_grant' } })
})

t.test('so is a pushed request that the provider does not accept', async t => {
  const { issuer } = await startOpenIdProvider(t, { clients: [clientOf('http://localhost:8080')] })
  await t.rejects((await start(t, issuer, text('of-another-client'))).authorizationUrl(secrets, {}), { code: 'PTC_ERR_PROVIDER_UNAVAILABLE', cause: { message: 'invalid_client' } })
})

t.test('a challenge for the client is a refusal of the client, and one for an access token is none', async t => {
  let challenge = ''
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'application/json')
    if (request.url === '/token') response.writeHead(401, { 'www-authenticate': challenge }).end()
    else response.end(JSON.stringify({ issuer, authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks`, keys: [] }))
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const issuer = `http://localhost:${(server.address() as AddressInfo).port}`
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const client = await start(t, issuer)
  for (challenge of ['Basic realm="zebra"', 'basic', 'Digest realm="a", nonce="b"']) await t.rejects(client.redeem(answer(issuer), secrets, {}), refusal, challenge)
  for (challenge of ['Bearer error="invalid_token"', 'DPoP error="use_dpop_nonce"', 'Basic realm="a", Bearer']) await t.rejects(client.redeem(answer(issuer), secrets, {}), { code: 'PTC_ERR_LOGIN_INVALID' }, challenge)
})
