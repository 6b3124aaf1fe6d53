import { generateKeyPairSync } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import type { ProviderOptions } from '../../../plugins/oidc.ts'
import type { Provider } from '../../../plugins/oidc/provider.ts'
import { foreignKey, publish } from '../../helpers/foreign-issuer.ts'
import { broken, clientFor, clientSecret, json, newSecrets, signInAt, startHostileProvider, text, type Answer, type HostileProvider } from '../../helpers/hostile-provider.ts'

/* Answers that a browser brings, and those of the endpoints that the client asks itself. */

async function start (t: Test, settings: Partial<ProviderOptions> = {}, metadata: Record<string, unknown> = {}): Promise<{ provider: HostileProvider, client: Provider }> {
  const provider = await startHostileProvider(t)
  provider.metadata = metadata
  return { provider, client: await clientFor(t, provider, settings) }
}

async function outcome (t: Test, signIn: Promise<unknown>): Promise<[code: string | undefined, reason: string | undefined]> {
  const error: unknown = await signIn.then(() => null, (error: unknown) => error)
  for (const secret of [clientSecret, '<script>', 'eyJ']) t.notOk(inspect(error, { depth: 10, showHidden: true }).includes(secret), 'the error contains nothing that the provider wrote')
  const { code, cause } = (error ?? {}) as { code?: string, cause?: Error }
  return [code?.replace('PTC_ERR_', ''), cause?.message]
}

const answers: Array<[title: string, changes: Record<string, string | undefined>, code: string]> = [
  ['the issuer of another provider', { iss: 'https://other.example.com' }, 'LOGIN_INVALID'],
  ['no issuer, although the provider states one', { iss: undefined }, 'LOGIN_INVALID'],
  ['an empty issuer', { iss: '' }, 'LOGIN_INVALID'],
  ['another state', { state: 'other' }, 'LOGIN_INVALID'],
  ['no state', { state: undefined }, 'LOGIN_INVALID'],
  ['no code', { code: undefined }, 'LOGIN_INVALID'],
  ['an empty code', { code: '' }, 'LOGIN_INVALID'],
  ['an invented code', { code: 'invented' }, 'LOGIN_INVALID'],
  ['a signed response that was not asked for', { response: 'eyJ.e30.x' }, 'LOGIN_INVALID'],
  ['an ID token of its own', { id_token: 'eyJ.e30.x' }, 'LOGIN_INVALID'],
  ['a refusal', { error: 'access_denied', error_description: '<script>' }, 'LOGIN_FORBIDDEN'],
  ['a refusal of another provider', { error: 'access_denied', iss: 'https://other.example.com' }, 'LOGIN_INVALID'],
  ['a refusal of another sign-in', { error: 'access_denied', state: 'other' }, 'LOGIN_INVALID'],
  ['a demand for interaction', { error: 'login_required' }, 'LOGIN_FORBIDDEN'],
  ['a strength that cannot be had', { error: 'unmet_authentication_requirements' }, 'LOGIN_FORBIDDEN'],
  ['an outage', { error: 'server_error' }, 'PROVIDER_UNAVAILABLE'],
  ['a pause', { error: 'temporarily_unavailable' }, 'PROVIDER_UNAVAILABLE'],
  ['a client that is unknown', { error: 'unauthorized_client' }, 'PROVIDER_UNAVAILABLE'],
  ['an error that is not known', { error: 'something_else' }, 'LOGIN_INVALID'],
  ['markup as an error', { error: '<script>alert(1)</script>' }, 'LOGIN_INVALID'],
  ['a long error', { error: 'x'.repeat(5000) }, 'LOGIN_INVALID']
]

t.test('an answer that is not that of this sign-in signs nobody in', async t => {
  const { provider, client } = await start(t)
  for (const [title, changes, code] of answers) {
    const [got, reason] = await outcome(t, signInAt(provider, client, { answer: changes }))
    t.equal(got, code, title)
    t.match(reason, /^[\w ,:]+$/, title)
  }
  const redeemed = provider.count('token')
  for (const name of ['code', 'state', 'iss', 'error', 'x']) {
    const secrets = newSecrets()
    const query = provider.answerTo(await client.authorizationUrl(secrets, {}))
    for (const value of ['a', query.get(name) ?? 'b']) query.append(name, value)
    t.same(await outcome(t, client.redeem(query, secrets, {})), ['LOGIN_INVALID', 'a parameter twice'], name)
  }
  t.equal(provider.count('token'), redeemed, 'and no code of such an answer is redeemed')
})

const tokenAnswers: Array<[title: string, answer: Answer, code: string]> = [
  ['a code that was used', json({ error: 'invalid_grant', error_description: '<script>' }, 400), 'LOGIN_INVALID'],
  ['a client that is not accepted', json({ error: 'invalid_client' }, 401), 'PROVIDER_UNAVAILABLE'],
  ['too many requests', text('slow down', 429, { 'content-type': 'text/plain' }), 'PROVIDER_UNAVAILABLE'],
  ['too many requests, as an error', json({ error: 'slow_down' }, 429), 'PROVIDER_UNAVAILABLE'],
  ['a failure', text('<script>', 500, { 'content-type': 'text/html' }), 'PROVIDER_UNAVAILABLE'],
  ['a redirect', text('', 307, { location: 'http://127.0.0.1:1/token' }), 'LOGIN_INVALID'],
  ['no ID token', json({ access_token: 'a', token_type: 'Bearer' }), 'LOGIN_INVALID'],
  ['an ID token that is a number', json({ access_token: 'a', token_type: 'Bearer', id_token: 5 }), 'LOGIN_INVALID'],
  ['no access token', json({ token_type: 'Bearer', id_token: 'a.b.c' }), 'LOGIN_INVALID'],
  ['nothing', text(''), 'LOGIN_INVALID'],
  ['markup', text('<script>', 200, { 'content-type': 'text/html' }), 'LOGIN_INVALID'],
  ['members twice', text('{"id_token":"a","id_token":"b"}'), 'PROVIDER_UNAVAILABLE'],
  ['a huge answer', text(`{"access_token":"${'x'.repeat(300_000)}"}`), 'PROVIDER_UNAVAILABLE'],
  ['a compressed answer', text(gzipSync('{}'), 200, { 'content-encoding': 'gzip' }), 'PROVIDER_UNAVAILABLE'],
  ['a connection that breaks', broken, 'PROVIDER_UNAVAILABLE']
]

t.test('answers of the token endpoint that are none sign nobody in, and outages are no refusals', async t => {
  const { provider, client } = await start(t)
  for (const [title, answer, code] of tokenAnswers) {
    provider.answers.token = answer
    const [got, reason] = await outcome(t, signInAt(provider, client))
    t.equal(got, code, title)
    t.match(reason, /^[\w ,:-]+$/, title)
  }
  delete provider.answers.token
  t.equal((await signInAt(provider, client)).sub, 'ada')
})

t.test('the userinfo endpoint adds claims about the same user alone, and only where the configuration needs them', async t => {
  const { provider, client } = await start(t, { claims: ['email', 'sub'], allow: { claim: 'email', value: 'ada@example.com' } })
  provider.userinfo = { acr: 'mfa', auth_time: 1, sid: 'other', aud: 'x' }
  const user = await signInAt(provider, client)
  t.match(client.admit(user), { isAllowed: true, claims: { email: 'ada@example.com', sub: 'ada' } })
  t.match([user.acr, user.sid], ['', 'sid-1'], 'what it states of the authentication does not count')
  const wrong: Array<[title: string, answer: Answer, code: string]> = [
    ['another user', json({ sub: 'eve', email: 'ada@example.com' }), 'LOGIN_INVALID'],
    ['no user', json({ email: 'ada@example.com' }), 'LOGIN_INVALID'],
    ['a user twice', text('{"sub":"ada","email":"ada@example.com","sub":"ada"}'), 'PROVIDER_UNAVAILABLE'],
    ['a deep claim', text(`{"sub":"ada","email":${'['.repeat(90_000)}${']'.repeat(90_000)}}`), 'PROVIDER_UNAVAILABLE'],
    ['markup', text('<script>', 200, { 'content-type': 'text/html' }), 'LOGIN_INVALID'],
    ['a failure', text('<script>', 503), 'PROVIDER_UNAVAILABLE'],
    ['a connection that breaks', broken, 'PROVIDER_UNAVAILABLE']
  ]
  for (const [title, answer, code] of wrong) {
    provider.answers.userinfo = answer
    t.equal((await outcome(t, signInAt(provider, client)))[0], code, title)
  }
  const asked = provider.count('userinfo')
  provider.claims = { email: 'ada@example.com' }
  t.equal((await signInAt(provider, client)).sub, 'ada')
  t.equal(provider.count('userinfo'), asked, 'it is not asked for what the ID token states')
})

t.test('claims that a session cannot keep refuse the user, and are no failure of the server', async t => {
  const { provider, client } = await start(t, { claims: ['email'] })
  for (const email of ['\ud800', 'x'.repeat(5000), JSON.parse('{"__proto__":1}') as object, { a: '\udfff' }]) {
    provider.claims = { email }
    t.match(client.admit(await signInAt(provider, client)), { isAllowed: false, reason: /^(?:member 1 of )?the claims to keep/ })
  }
})

t.test('the client proves itself in the way that the provider takes', async t => {
  const post = await start(t, {}, { token_endpoint_auth_methods_supported: ['client_secret_post'] })
  t.equal((await signInAt(post.provider, post.client)).sub, 'ada')
  t.notOk(post.provider.asked.some(({ authorization = '' }) => authorization.startsWith('Basic ')))
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const path = join(t.testdir(), 'key.pem')
  await writeFile(path, privateKey.export({ type: 'pkcs8', format: 'pem' }))
  const { provider, client } = await start(t, { privateKey: path })
  provider.clientKey = publicKey
  t.equal((await signInAt(provider, client)).sub, 'ada')
  provider.clientKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
  t.equal((await outcome(t, signInAt(provider, client)))[0], 'PROVIDER_UNAVAILABLE')
})

t.test('keys that cannot be read sign nobody in, and end nothing that is known', async t => {
  const { provider, client } = await start(t)
  t.equal((await signInAt(provider, client)).sub, 'ada')
  provider.answers.keys = broken
  t.equal((await signInAt(provider, client)).sub, 'ada', 'known keys go on')
  for (const answer of [broken, json([]), text('{"keys":'), text('{"keys":[],"keys":[]}'), text('', 302, { location: '/jwks2' }), text(gzipSync('{"keys":[]}'), 200, { 'content-encoding': 'gzip' })]) {
    const down = await startHostileProvider(t)
    down.answers.keys = answer
    t.same(await outcome(t, signInAt(down, await clientFor(t, down))), ['PROVIDER_UNAVAILABLE', 'the keys cannot be read'])
  }
})

t.test('keys without algorithm are used, as the provider states how it signs', async t => {
  for (const [algorithm, stated] of [['RS256', ['RS256']], ['ES256', ['ES256', 'RS256']], ['PS256', ['PS256']]] as const) {
    const { provider, client } = await start(t, {}, { id_token_signing_alg_values_supported: stated })
    provider.key = foreignKey('k1', algorithm)
    const { alg, ...jwk } = provider.key.jwk
    provider.answers.keys = publish([{ jwk }])
    t.equal((await signInAt(provider, client)).sub, 'ada', String(alg))
  }
})

t.test('a key that is new is asked for, at most every ten seconds, and a token that it may have signed is not refused meanwhile', async t => {
  const { provider, client } = await start(t)
  t.equal((await signInAt(provider, client)).sub, 'ada')
  provider.key = foreignKey('k2')
  provider.published = [provider.key]
  t.same(await Promise.all(Array.from({ length: 5 }, async () => (await outcome(t, signInAt(provider, client)))[0])), Array(5).fill('PROVIDER_UNAVAILABLE'))
  t.equal(provider.count('keys'), 1)
  let user: string | undefined
  while (user === undefined) {
    user = await signInAt(provider, client).then(({ sub }) => sub, () => undefined)
    await new Promise(resolve => setTimeout(resolve, 250))
  }
  t.equal(user, 'ada')
  t.equal(provider.count('keys'), 2)
})
