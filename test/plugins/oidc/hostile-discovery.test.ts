import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import type { Provider } from '../../../plugins/oidc/provider.ts'
import { broken, clientFor, endless, json, newSecrets, signInAt, silent, startHostileProvider, text, type Answer, type HostileProvider } from '../../helpers/hostile-provider.ts'

/* What a provider publishes about itself, and cannot be used. */

async function start (t: Test, change: (provider: HostileProvider) => void = () => {}): Promise<{ provider: HostileProvider, client: Provider }> {
  const provider = await startHostileProvider(t)
  change(provider)
  return { provider, client: await clientFor(t, provider) }
}

async function rejectsAway (t: Test, client: Provider, message: string | RegExp, title: string): Promise<void> {
  await t.rejects(client.authorizationUrl(newSecrets(), {}), { code: 'PTC_ERR_PROVIDER_UNAVAILABLE', headers: { 'retry-after': '2' }, cause: { message } }, title)
}

const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`
const documentOf = ({ issuer, metadata }: HostileProvider): string => JSON.stringify({ issuer, authorization_endpoint: `${issuer}/authorize`, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks`, ...metadata })

const documents: Record<string, [change: (provider: HostileProvider) => Answer | Record<string, unknown>, message: string | RegExp]> = {
  'of another issuer': [() => ({ issuer: 'https://other.example.com' }), 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED'],
  'of another issuer at the same origin': [({ issuer }) => ({ issuer: `${issuer}/other` }), 'OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED'],
  'without issuer': [() => ({ issuer: undefined }), /^OAUTH_|^ERR_/],
  'without authorization endpoint': [() => ({ authorization_endpoint: undefined }), 'authorization_endpoint of the discovery document is missing'],
  'without token endpoint': [() => ({ token_endpoint: undefined }), 'token_endpoint of the discovery document is missing'],
  'without keys': [() => ({ jwks_uri: undefined }), 'jwks_uri of the discovery document is missing'],
  'with a token endpoint at http': [() => ({ token_endpoint: 'http://idp.example.com/token' }), 'token_endpoint of the discovery document is not https'],
  'with keys at http': [() => ({ jwks_uri: 'http://localhost.example.com/jwks' }), 'jwks_uri of the discovery document is not https'],
  'with a script as the authorization endpoint': [() => ({ authorization_endpoint: 'javascript:alert(1)' }), 'authorization_endpoint of the discovery document is not https'],
  'with a page as the end of sessions': [() => ({ end_session_endpoint: 'data:text/html,x' }), 'end_session_endpoint of the discovery document is not https'],
  'with userinfo that is no text': [() => ({ userinfo_endpoint: ['x'] }), 'userinfo_endpoint of the discovery document is missing'],
  'with a file as pushed requests': [() => ({ pushed_authorization_request_endpoint: 'file:///etc/passwd' }), 'pushed_authorization_request_endpoint of the discovery document is not https'],
  'that repeats a member': [provider => text(documentOf(provider).replace('{', '{"issuer":"https://other.example.com",')), 'the answer repeats a member, or is nested too deep'],
  'that is nested deep': [provider => { provider.metadata = { x: JSON.parse(deep(20)) as unknown }; return text(documentOf(provider)) }, 'the answer repeats a member, or is nested too deep'],
  'that is nested as deep as it can be': [() => text(`{"x":${deep(100_000)}}`), 'the answer repeats a member, or is nested too deep'],
  'that is a list': [() => json([]), 'OAUTH_INVALID_RESPONSE'],
  'that is null': [() => text('null'), 'OAUTH_INVALID_RESPONSE'],
  'that is half': [() => text('{"issuer":'), 'OAUTH_PARSE_ERROR'],
  'that is markup': [() => text('<script>alert(1)</script>', 200, { 'content-type': 'text/html' }), 'OAUTH_RESPONSE_IS_NOT_JSON'],
  'that is empty': [() => text(''), 'OAUTH_PARSE_ERROR'],
  'that is huge': [() => text(`{"x":"${'x'.repeat(300_000)}"}`), 'the answer has more than 262144 bytes'],
  'that is huge and states no length': [() => (_request, response) => { response.writeHead(200, { 'content-type': 'application/json' }).write('{"x":"'); response.end(`${'x'.repeat(300_000)}"}`) }, 'the answer has more than 262144 bytes'],
  'that is compressed': [provider => text(gzipSync(documentOf(provider)), 200, { 'content-encoding': 'gzip' }), 'the answer is compressed'],
  'at another address': [({ issuer }) => text('', 302, { location: `${issuer}/jwks` }), 'status 302'],
  'that does not exist': [() => json({ error: 'not_found' }, 404), 'status 404'],
  'that has failed': [() => text('<h1>down</h1>', 500), 'status 500'],
  'of a connection that breaks': [() => broken, /^(?:ECONNRESET|UND_ERR_SOCKET|unknown)$/]
}

for (const [name, [change, message]] of Object.entries(documents)) {
  t.test(`a discovery document ${name} makes the provider unavailable, and nothing else of it is asked`, async t => {
    const { provider, client } = await start(t, provider => {
      const changed = change(provider)
      if (typeof changed === 'function') provider.answers.discovery = changed
      else provider.metadata = changed
    })
    await rejectsAway(t, client, message, name)
    t.match(client.problem(), /^its configuration cannot be read: /)
    t.equal(await client.logoutUrl({ idToken: null, returnTo: 'https://app.example.com/' }), null)
    t.same(provider.asked.filter(({ endpoint }) => endpoint !== 'discovery'), [])
  })
}

t.test('answers that never begin or never end are given up after five seconds, whatever they answer', async t => {
  const started = await Promise.all([silent, endless].map(async answer => await start(t, provider => { provider.answers.discovery = answer })))
  const { provider, client } = await start(t)
  provider.answers.token = endless
  await Promise.all([
    ...started.map(async ({ client }) => { await rejectsAway(t, client, 'no answer in time', 'discovery') }),
    t.rejects(signInAt(provider, client), { code: 'PTC_ERR_PROVIDER_UNAVAILABLE', cause: { message: 'no answer in time' } }, 'token')
  ])
})

t.test('a provider that is down is asked once by all who sign in, and is used as soon as it is back', async t => {
  const { provider, client } = await start(t, provider => { provider.answers.discovery = broken })
  await Promise.all(Array.from({ length: 20 }, async () => { await rejectsAway(t, client, /./, 'down') }))
  t.equal(provider.count('discovery'), 1)
  delete provider.answers.discovery
  for (let address: string | null = null; address === null;) {
    address = await client.authorizationUrl(newSecrets(), {}).catch(() => null)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  t.equal(provider.count('discovery'), 2, 'in spite of the many requests, the cool-down holds')
  t.equal(client.problem(), null)
  t.equal((await signInAt(provider, client)).sub, 'ada')
})

t.test('pushed requests that fail make the provider unavailable, and name nothing that it wrote', async t => {
  const { provider, client } = await start(t, provider => { provider.metadata = { pushed_authorization_request_endpoint: `${provider.issuer}/par` } })
  t.equal((await signInAt(provider, client)).sub, 'ada')
  const answers: Array<[Answer, string | RegExp]> = [
    [json({ error: '<script>', error_description: 'x' }, 400), /^(?!.*script)/],
    [json({ error: 'invalid_client' }, 401), 'invalid_client'],
    [json({ request_uri: 5, expires_in: 60 }, 201), /^OAUTH_/],
    [text('<h1>', 500), 'status 500'],
    [broken, /./]
  ]
  for (const [answer, message] of answers) {
    provider.answers.pushed = answer
    await t.rejects(client.authorizationUrl(newSecrets(), {}), { code: 'PTC_ERR_PROVIDER_UNAVAILABLE', cause: { message } })
  }
})
