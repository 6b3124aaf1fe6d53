import t, { type Test } from 'tap'
import { checkConfig } from '../config/load.ts'
import type { ConfigInput } from '../config/schema.ts'
import { composeGateway } from '../gateway/gateway.ts'
import { secret } from './helpers/build-app.ts'
import { findClosedPort } from './helpers/closed-port.ts'
import { Browser, clientOf, clientSecret, startOpenIdProvider } from './helpers/openid-provider.ts'
import { send } from './helpers/send.ts'
import { generousLimits } from './helpers/sign-in.ts'
import { startUpstream, type Upstream } from './helpers/upstream.ts'

/* Claims of a provider's users on their way to upstreams. */

const claims = { email: 'ada@example.com', name: 'Ada Łovelace', groups: ['staff', 'a,b', '100%'], level: 3, nested: { a: 1 }, title: 'a,b' }

type Upstreams = (target: string) => NonNullable<ConfigInput['upstreams']>

async function start (t: Test, upstreams: Upstreams): Promise<{ origin: string, upstream: Upstream, cookie: string }> {
  const port = await findClosedPort()
  const origin = `http://localhost:${port}`
  const upstream = await startUpstream(t)
  const { issuer } = await startOpenIdProvider(t, { clients: [clientOf(origin)], users: { ada: { claims } }, configuration: { claims: { openid: ['sub', ...Object.keys(claims)] } } })
  const app = await composeGateway(checkConfig({
    origin,
    secret,
    listen: { host: '127.0.0.1', port },
    store: { type: 'sqlite', path: ':memory:' },
    log: { level: 'silent' },
    rateLimit: generousLimits,
    identity: { type: 'oidc', name: 'corp', issuer, clientId: 'portcullis', clientSecret, claims: Object.keys(claims) },
    upstreams: upstreams(upstream.url)
  }, { directory: '.', env: {} }))
  t.teardown(async () => { await app.close() })
  await app.listen({ port, host: '127.0.0.1' })
  const browser = new Browser()
  await browser.signIn(`${origin}/auth/login/corp?return_to=/nowhere`, 'ada')
  return { origin, upstream, cookie: browser.cookies(origin) }
}

const claimsOf = (authorization: string | undefined) => JSON.parse(Buffer.from(authorization!.split('.')[1]!, 'base64url').toString()) as Record<string, unknown>

t.test('claims reach an upstream as the headers that it names, without loss', async t => {
  const { origin, upstream, cookie } = await start(t, target => [
    { prefix: '/wiki', target, audience: 'wiki', forward: 'headers', claims: { email: 'X-Auth-Email', name: 'X-Auth-Name', groups: 'X-Auth-Groups', level: 'X-Auth-Level', nested: 'X-Auth-Nested', title: 'X-Auth-Title', absent: 'X-Auth-Absent' } }
  ])
  await send('GET', `${origin}/wiki`, { headers: ['cookie', cookie] })
  const { headers } = upstream.requests.at(-1)!
  t.match(headers, { 'x-auth-subject': 'corp|ada', 'x-auth-email': 'ada@example.com', 'x-auth-name': 'Ada%20%C5%81ovelace', 'x-auth-groups': 'staff,a%2Cb,100%25', 'x-auth-level': '3', 'x-auth-nested': '{"a":1}', 'x-auth-title': 'a%2Cb' })
  t.notOk('x-auth-absent' in headers)
  t.same(String(headers['x-auth-groups']).split(',').map(decodeURIComponent), claims.groups)
})

t.test('claims are in the minted token of the upstream that names them, and of no other one', async t => {
  const { origin, upstream, cookie } = await start(t, target => [
    { prefix: '/one', target, audience: 'same', claims: { email: 'X-Auth-Email', groups: 'X-Auth-Groups' } },
    { prefix: '/two', target, audience: 'same' },
    { prefix: '/three', target, audience: 'same', claims: { level: 'X-Auth-Level' } }
  ])
  const tokens: Array<Record<string, unknown>> = []
  for (const path of ['/one', '/two', '/three', '/one']) {
    await send('GET', origin + path, { headers: ['cookie', cookie] })
    tokens.push(claimsOf(upstream.requests.at(-1)!.headers.authorization))
  }
  const [one, two, three, again] = tokens
  t.match(one, { aud: 'same', sub: 'corp|ada', email: claims.email, groups: claims.groups })
  t.notOk('email' in two! || 'level' in two!)
  t.match(three, { level: 3 })
  t.notOk('email' in three!)
  t.equal(again!['jti'], one!['jti'], 'the token is cached')
})

t.test('a client cannot state a claim to any upstream, in any spelling', async t => {
  const { origin, upstream, cookie } = await start(t, target => [
    { prefix: '/wiki', target, audience: 'wiki', forward: 'headers', claims: { absent: 'X-Auth-Email' } },
    { prefix: '/other', target, access: 'public' }
  ])
  for (const path of ['/wiki', '/other']) {
    for (const name of ['X-Auth-Email', 'x-auth-email', 'X_Auth_Email', 'X-Auth_Email', 'x.auth.email', 'X-AUTH-EMAIL', '-X-Auth-Email', 'X--Auth-Email']) {
      await send('GET', origin + path, { headers: ['cookie', cookie, name, 'eve@example.com'] })
      t.notMatch(JSON.stringify(upstream.requests.at(-1)!.headers), 'eve@example.com', `${path} ${name}`)
    }
  }
})

t.test('settings that would mislead a service are refused', async t => {
  const check = (upstream: object): void => {
    checkConfig({ origin: 'http://localhost:1', identity: async () => null, upstreams: [{ prefix: '/wiki', target: 'http://127.0.0.1:2', audience: 'wiki', ...upstream }] }, { directory: '.', env: {} })
  }
  t.throws(() => check({ claims: { sub: 'X-Auth-Sub' } }), { message: /^upstreams\[0\]\.claims\.sub: is a claim that the gateway sets itself/ })
  t.throws(() => check({ forward: 'none', claims: { email: 'X-Auth-Email' } }), { message: /^upstreams\[0\]\.claims: needs forward: mint or headers/ })
  t.throws(() => check({ forward: 'headers', claims: { email: 'X-Auth-Email', mail: 'x-auth-email' } }), { message: /^upstreams\[0\]\.claims\.mail: has the header of another claim/ })
  for (const header of ['Host', 'Content-Length', 'X-Auth-Subject', 'X-Forwarded-User', 'X_Auth_Email', 'Cookie', 'a b', '']) t.throws(() => check({ forward: 'headers', claims: { email: header } }), { message: /^upstreams\[0\]\.claims\.email: / }, header)
  t.doesNotThrow(() => check({ forward: 'headers', claims: { email: 'Remote-User' } }))
})
