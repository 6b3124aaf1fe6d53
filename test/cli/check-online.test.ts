import { generateKeyPairSync } from 'node:crypto'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { findClosedPort } from '../helpers/closed-port.ts'
import { clientOf, clientSecret, startOpenIdProvider } from '../helpers/openid-provider.ts'
import { runMain, writeConfig } from '../helpers/portcullis.ts'

/* portcullis check --online: what an identity provider says of the settings. */

const origin = 'http://localhost:8080'
const corp = (issuer: string, more: object = {}) => ({ type: 'oidc', name: 'corp', issuer, clientId: 'portcullis', clientSecret, ...more })

async function check (t: Test, identity: object, { flags = [], key = '' }: { flags?: string[], key?: string } = {}) {
  const { config, folder } = await writeConfig(t, { origin, listen: { host: 'localhost', port: 8080 }, pages: true, identity })
  await writeFile(join(folder, 'key.pem'), key, { mode: 0o600 })
  const outcome = await runMain(['check', '--config', config, ...flags])
  t.notMatch(outcome.stdout + outcome.stderr, clientSecret, 'no secret is printed')
  return outcome
}

const online = async (t: Test, identity: object, key = '') => await check(t, identity, { flags: ['--online'], key })

/** Starts a provider that is none: a server that answers as it likes. */
async function startFake (t: Test, answer: (issuer: string) => RequestListener): Promise<string> {
  const server = createServer()
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  const issuer = `http://localhost:${(server.address() as AddressInfo).port}`
  server.on('request', answer(issuer))
  t.teardown(() => { server.closeAllConnections(); server.close() })
  return issuer
}

/** Answers with a discovery document that works, except for `more`, and passes other requests on. */
function discovering (more: object, others: RequestListener = (_request, response) => { response.writeHead(404).end() }) {
  return (issuer: string): RequestListener => (request, response) => {
    if (request.url !== '/.well-known/openid-configuration') return others(request, response)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ issuer, authorization_endpoint: `${issuer}/auth`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks`, response_types_supported: ['code'], subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['RS256'], backchannel_logout_supported: true, end_session_endpoint: `${issuer}/end`, ...more }))
  }
}

const json = (status: number, body: object): RequestListener => (_request, response) => { response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)) }

/** Answers the requests of an examination: as a provider that knows the client, except for `more`. */
function knowing (more: Record<string, RequestListener> = {}): RequestListener {
  const answers: Record<string, RequestListener> = {
    '/jwks': json(200, { keys: [] }),
    '/token': json(400, { error: 'invalid_grant' }),
    '/auth' (request, response) { response.writeHead(303, { location: `${new URL(request.url!, origin).searchParams.get('redirect_uri')}?error=login_required` }).end() },
    '/end' (_request, response) { response.end('Sign out?') },
    ...more
  }
  return (request, response) => { answers[request.url!.split('?', 1)[0]!]!(request, response) }
}

for (const pushed of ['off', 'offered'] as const) {
  t.test(`a provider that knows the client is fine (pushed requests: ${pushed})`, async t => {
    const { issuer, requests } = await startOpenIdProvider(t, { clients: [clientOf(origin)], pushed })
    const plain = await check(t, corp(issuer))
    t.same([plain.code, plain.stderr, requests], [0, '', []], 'without --online nothing is asked')

    const { code, stdout, stderr } = await online(t, corp(issuer))
    t.same([code, stderr], [0, ''])
    t.match(stdout, /^corp answers, and knows the client$/m)
    t.notMatch(stdout, /^warning: identity/m)
  })

  t.test(`a redirect URI that is not registered is one line with the address (pushed requests: ${pushed})`, async t => {
    const { issuer } = await startOpenIdProvider(t, { clients: [clientOf(origin, { name: 'other' })], pushed })
    const { code, stderr } = await online(t, corp(issuer))
    t.equal(code, 1)
    t.match(stderr, /^identity\.clientId: the provider does not return to http:\/\/localhost:8080\/auth\/callback\/corp \(.+\); register exactly this redirect URI for the client portcullis\n$/)
  })

  t.test(`a wrong client secret is one line, and so is a client that is not registered (pushed requests: ${pushed})`, async t => {
    const { issuer } = await startOpenIdProvider(t, { clients: [clientOf(origin)], pushed })
    const wrong = await online(t, corp(issuer, { clientSecret: 'of-another-client' }))
    t.equal(wrong.code, 1)
    t.match(wrong.stderr, /^identity\.clientSecret: the provider does not accept it for the client portcullis \(invalid_client\); copy the id and the secret from the provider again\n$/)
    const unknown = await online(t, corp(issuer, { clientId: 'zebra' }))
    t.equal(unknown.code, 1)
    t.match(unknown.stderr, /^identity\.clientSecret: the provider does not accept it for the client zebra \(invalid_client\)/m)
  })

  t.test(`a scope that the client may not ask for is one line (pushed requests: ${pushed})`, async t => {
    const { issuer } = await startOpenIdProvider(t, { clients: [clientOf(origin, { scope: 'openid profile' })], pushed })
    const { code, stderr } = await online(t, corp(issuer))
    t.equal(code, 1)
    t.match(stderr, /^identity\.scopes: the provider refuses one of openid profile email \(invalid_scope\); allow them for the client there, or remove it\n$/)
  })
}

t.test('a private key is accepted if the provider has its public key', async t => {
  const [mine, other] = [generateKeyPairSync('ec', { namedCurve: 'P-256' }), generateKeyPairSync('ec', { namedCurve: 'P-256' })]
  for (const [registered, code] of [[mine, 0], [other, 1]] as const) {
    const client = clientOf(origin, { token_endpoint_auth_method: 'private_key_jwt', token_endpoint_auth_signing_alg: 'ES256', jwks: { keys: [registered.publicKey.export({ format: 'jwk' }) as object] } } as object)
    delete (client as { client_secret?: string }).client_secret
    const { issuer } = await startOpenIdProvider(t, { clients: [client] })
    const outcome = await online(t, corp(issuer, { clientSecret: undefined, privateKey: './key.pem' }), String(mine.privateKey.export({ type: 'pkcs8', format: 'pem' })))
    t.equal(outcome.code, code)
    t.match(outcome.stderr, code === 0 ? /^$/ : /^identity\.privateKey: the provider does not accept it for the client portcullis \(invalid_client\); register its public key there\n$/)
  }
})

t.test('a provider that cannot be reached, is none, or is another one is one line with the remedy', async t => {
  const outcomes: Array<[reason: string, issuer: string, line: RegExp]> = [
    ['nothing listens', `http://localhost:${await findClosedPort()}`, /\(ECONNREFUSED\); see that the provider runs, and that the port is right$/],
    ['no document', await startFake(t, () => (_request, response) => { response.writeHead(404).end() }), /\(status 404\); write the issuer exactly as the provider states it$/],
    ['a redirect', await startFake(t, () => (_request, response) => { response.writeHead(302, { location: 'https://idp.example.com' }).end() }), /\(status 302\); redirects are not followed; write the issuer to which it leads$/],
    ['another issuer', await startFake(t, discovering({ issuer: 'http://localhost:9/realms/corp' })), /states the issuer http:\/\/localhost:9\/realms\/corp; write exactly this, if it is the right provider$/],
    ['an issuer that would write to the terminal', await startFake(t, discovering({ issuer: 'http://localhost:9/\u001b[31m' })), /^[\x20-\x7e]+$/],
    ['no answer', await startFake(t, () => () => {}), /\(no answer in time\); see that the address is that of an OpenID provider, and that this machine reaches it$/]
  ]
  for (const [reason, issuer, line] of outcomes) {
    const { code, stderr } = await online(t, corp(issuer))
    t.equal(code, 1, reason)
    t.match(stderr, /^identity\.issuer: [^\n]+\n$/, reason)
    t.match(stderr.trimEnd(), line, reason)
  }
})

t.test('what a provider does not offer is a line, and what it may not offer a warning', async t => {
  const outcomes: Array<[reason: string, metadata: object, answers: Record<string, RequestListener>, fault: RegExp | null, warning: RegExp | null]> = [
    ['all', {}, {}, null, null],
    ['no secrets', { token_endpoint_auth_methods_supported: ['private_key_jwt'] }, {}, /clientSecret: the provider takes no client secret, but private_key_jwt; write privateKey in its place/, null],
    ['no code flow', { response_types_supported: ['id_token'] }, {}, /issuer: the provider does not offer the authorization code flow/, null],
    ['a symmetric signature', { id_token_signing_alg_values_supported: ['HS256'] }, {}, /issuer: the provider signs ID tokens with none of .*ES256/, null],
    ['no keys', {}, { '/jwks': json(500, {}) }, /issuer: the keys at http:\/\/localhost:\d+\/jwks cannot be read/, null],
    ['no logouts', { backchannel_logout_supported: undefined }, {}, null, /issuer: the provider does not state that it sends back-channel logouts/],
    ['no sign-out', { end_session_endpoint: undefined }, {}, null, /issuer: the provider has no end_session_endpoint/],
    ['other scopes', { scopes_supported: ['openid', 'profile'] }, {}, null, /scopes: the provider does not state that it knows email/],
    ['an address after the sign-out that is not registered', {}, { '/end': json(400, {}) }, null, /clientId: the provider may not return to http:\/\/localhost:8080\/auth\/sign-in\?signed_out after a sign-out/],
    ['an answer that says nothing of the client', {}, { '/token': json(400, { error: 'invalid_request' }) }, null, /clientSecret: whether the provider accepts it is not known: its answer to an invented code was invalid_request/],
    ['a client that may not sign users in', {}, { '/token': json(400, { error: 'unauthorized_client' }) }, /clientSecret: the provider does not accept it .*unauthorized_client/, null],
    ['a refusal by a challenge', {}, { '/token' (_request, response) { response.writeHead(401, { 'www-authenticate': 'Basic realm="zebra"' }).end() } }, /clientSecret: the provider does not accept it .*invalid_client/, null],
    ['a page in place of a redirect', {}, { '/auth' (_request, response) { response.end('zebra') } }, /clientId: the provider does not return to .* \(status 200\)/, null],
    ['a page for errors', {}, { '/auth' (_request, response) { response.writeHead(302, { location: '/oops?error=zebra' }).end() } }, /clientId: the provider does not return to .* \(an error page\)/, null],
    ['a form in spite of prompt=none', {}, { '/auth' (_request, response) { response.writeHead(302, { location: '/login?zebra' }).end() } }, null, /clientId: whether the redirect URI is registered is not known: the provider leads to http:\/\/localhost:\d+\/login although/],
    ['a redirect to an address that only begins like ours', {}, { '/auth' (_request, response) { response.writeHead(302, { location: `${origin}/auth/callback/corporation?error=x` }).end() } }, /clientId: the provider does not return to/, null],
    ['another flow', {}, { '/auth' (_request, response) { response.writeHead(302, { location: `${origin}/auth/callback/corp?error=unauthorized_client` }).end() } }, /clientId: the provider refuses sign-ins of this client \(unauthorized_client\)/, null],
    ['a provider that has an error', {}, { '/auth' (_request, response) { response.writeHead(500).end() } }, null, /clientId: whether the redirect URI is registered is not known: the answer to an authorization request was 500/],
    ['an endpoint that is no address', { pushed_authorization_request_endpoint: '/par' }, {}, /issuer: .*\(pushed_authorization_request_endpoint of the discovery document is no address\)/, null]
  ]
  for (const [reason, metadata, answers, fault, warning] of outcomes) {
    const issuer = await startFake(t, discovering(metadata, knowing(answers)))
    const { code, stdout, stderr } = await online(t, corp(issuer))
    const warnings = stdout.split('\n').filter(line => line.startsWith('warning: identity.'))
    t.equal(code, fault === null ? 0 : 1, reason)
    if (fault === null) t.equal(stderr, '', reason)
    else t.match(stderr, fault, reason)
    t.equal(stderr.split('\n').length - 1, fault === null ? 0 : 1, reason)
    t.equal(warnings.length, warning === null ? 0 : 1, reason)
    if (warning !== null) t.match(warnings[0], warning, reason)
    t.notMatch(stdout + stderr, 'zebra', `${reason}: nothing that the provider wrote is printed`)
  }
})

t.test('several providers are asked at once, and each has its lines', async t => {
  const good = await startOpenIdProvider(t, { clients: [clientOf(origin)] })
  const { code, stdout, stderr } = await online(t, [corp(good.issuer), { ...corp('http://localhost:9'), name: 'away' }])
  t.equal(code, 1)
  t.match(stdout, /^corp answers, and knows the client$/m)
  t.match(stderr, /^identity\[1\]\.issuer: [^\n]+\n$/)
})

t.test('without a provider there is nothing to ask', async t => {
  const { code, stdout, stderr } = await online(t, { type: 'users', file: './users.json' })
  t.same([code, stderr], [0, ''])
  t.match(stdout, /^no identity provider to ask$/m)
})
