import t, { type Test } from 'tap'
import type { Identity } from '../../lib/identity.ts'
import type { TokenClaims } from '../../lib/own-data.ts'
import type { SessionRecord } from '../../lib/session/record.ts'
import accessToken, { type AccessTokenOptions } from '../../plugins/access-token.ts'
import blocklist from '../../plugins/blocklist.ts'
import keys from '../../plugins/keys.ts'
import mint, { type MintOptions } from '../../plugins/mint.ts'
import storePlugin from '../../plugins/store.ts'
import type { Store } from '../../stores/store.ts'
import { buildApp, createServer, createStore, decode, openFamily, openSession, origin, secret, sessionRecord } from '../helpers/build-app.ts'

/** Any object as claims. */
const of = (claims: unknown): TokenClaims => claims as TokenClaims
const grant = { audience: ['orders'], generation: 1 }

/** Builds a server with the plugins of tokens alone. Servers with one store have the same keys. */
async function build (t: Test, options: { accessToken?: Partial<AccessTokenOptions>, mint?: MintOptions, store?: Store } = {}) {
  const store = options.store ?? (await createStore(t)).store
  const app = createServer(t)
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(blocklist)
  await app.register(keys, { secret })
  await app.register(accessToken, { issuer: origin, ...options.accessToken })
  await app.register(mint, options.mint ?? {})
  const { accessToken: accessTokens, blocklist: revocations, mint: mintToken } = app.portcullis
  return { accessToken: accessTokens, blocklist: revocations, mint: mintToken }
}

t.test('an access token has the claims that the function returns for the record, and the identity has them, frozen', async t => {
  const records: SessionRecord[] = []
  const { accessToken } = await build(t, { accessToken: { claims: record => { records.push(record); return of({ tenant: record.data, roles: ['editor'] }) } } })
  const record = sessionRecord({ data: of({ id: 'acme' }) })

  const token = accessToken.issue(record, grant)

  t.same(records, [record])
  t.match(decode(token).claims, { tenant: { id: 'acme' }, roles: ['editor'], sub: 'ada', iss: origin, client_id: 'portcullis' })
  const identity = await accessToken.verify(token)
  t.strictSame(identity.claims, { tenant: { id: 'acme' }, roles: ['editor'] })
  t.equal(identity.data, null)
  t.ok(Object.isFrozen(identity.claims) && Object.values(identity.claims as object).every(value => Object.isFrozen(value)))
  t.equal(await accessToken.verify(token), identity)
  t.strictSame((await accessToken.verifyExpired(token)).claims, identity.claims)
})

t.test('without the function tokens have no further claims, those of others are accepted, and no identity has claims', async t => {
  const { store } = await createStore(t)
  const [plain, adding] = [await build(t, { store }), await build(t, { store, accessToken: { claims: () => of({ tenant: 'acme' }) } })]
  const token = plain.accessToken.issue(sessionRecord(), grant)

  t.same(Object.keys(decode(token).claims).sort(), ['acr', 'amr', 'aud', 'auth_time', 'client_id', 'epoch', 'exp', 'gen', 'iat', 'iss', 'jti', 'scope', 'sid', 'sub'])
  t.equal((await plain.accessToken.verify(token)).claims, null)
  t.equal((await plain.accessToken.verify(adding.accessToken.issue(sessionRecord(), grant))).claims, null)
  t.strictSame((await adding.accessToken.verify(token)).claims, {})
})

t.test('claims that are reserved, no JSON object or too large issue and mint no token', async t => {
  let claims: unknown
  const { accessToken, mint } = await build(t, { accessToken: { claims: () => of(claims) }, mint: { claims: () => of(claims) } })
  const identity = await accessToken.verify((claims = {}, accessToken.issue(sessionRecord(), grant)))
  const wrong: Array<[claims: unknown, message: RegExp]> = [
    ...['sub', 'aud', 'iss', 'exp', 'scope', 'epoch', 'gen', 'sid', 'jti', 'client_id', 'acr', 'events', 'Sub', 'AUD'].map((name): [object, RegExp] => [{ [name]: 'x' }, new RegExp(`^claims must not have ${name.toLowerCase()},`)]),
    [null, /^claims must be a plain object/], [undefined, /^claims must be a plain object/], [Promise.resolve({ tenant: 'acme' }), /no promise/], [['a'], /^claims must be a plain object/],
    [{ at: new Date() }, /^member 1 of claims is or contains an object of a class/], [JSON.parse('{"__proto__":{"sub":"eve"}}'), /__proto__/], [{ text: 'x'.repeat(1024) }, /^claims must have at most 1024 bytes/]
  ]
  for (const [given, message] of wrong) {
    claims = given
    t.throws(() => accessToken.issue(sessionRecord(), grant), { name: 'TypeError', message })
    t.throws(() => mint(identity, 'orders'), { name: 'TypeError', message })
  }
  claims = { tenant: 'acme' }
  t.match(decode(mint(identity, 'orders')).claims, { tenant: 'acme', sub: 'ada' })
})

t.test('claims that look like members of an identity decide nothing, neither here nor at the blocklist of a service', async t => {
  const misleading = { subject: 'eve', issuer: 'https://evil.example', audiences: ['admin'], scopes: ['admin'], authTime: 9e9, expiresAt: 9e9, generation: 99, roles: ['admin'], revoked: false, claims: {}, data: {} }
  const { store } = await createStore(t)
  const { accessToken, blocklist } = await build(t, { store, accessToken: { claims: () => of(misleading) } })
  const { record } = await store.open({ subject: 'ada', username: 'ada', mode: 'tokens', secretHash: null, acr: '1', amr: [], scopes: ['orders:read'], audiences: ['orders'], client: { userAgent: '', ip: '' }, origin: null, absoluteTimeoutMs: 60_000, maxPerSubject: 2, maxTokenAgeMs: 60_000 })
  const token = accessToken.issue(record, grant)
  const identity = await accessToken.verify(token)

  t.match(identity, { subject: 'ada', issuer: origin, audiences: ['orders'], scopes: ['orders:read'], generation: 1, data: null, claims: misleading })
  t.ok(identity.expiresAt < 9e9 && identity.authTime < 9e9)
  const { claims } = decode(token)
  t.equal(blocklist.isRevoked(claims), false)
  await blocklist.revoke({ subject: 'eve' })
  t.equal(blocklist.isRevoked(claims), false)
  await blocklist.revoke({ subject: 'ada' })
  for (const given of [claims, identity, { ...identity }]) t.equal(blocklist.isRevoked(given), true)
})

t.test('the function of minted tokens runs once for each token, with the identity and the audience', async t => {
  const calls: Array<[identity: Identity, audience: string]> = []
  const app = await buildApp(t, (await createStore(t)).store, { mint: { claims: (identity, audience) => { calls.push([identity, audience]); return of({ for: audience, of: identity.data }) } } }, app => {
    app.get('/token', { onRequest: app.portcullis.authenticate({ audience: 'orders' }) }, async ({ identity }) => { minted.push(app.portcullis.mint(identity, 'orders'), app.portcullis.mint(identity, 'orders')) })
  })
  const minted: string[] = []
  const { cookie, sid } = await openSession(app)
  for (let count = 0; count < 3; count++) await app.inject({ url: '/token', headers: { cookie } })

  t.equal(calls.length, 1)
  t.match(calls, [[{ subject: 'ada', sid }, 'orders']])
  t.equal(new Set(minted).size, 1)
  t.match(decode(minted[0]!).claims, { for: 'orders', of: {}, sub: 'ada', aud: 'orders' })
  app.portcullis.mint(calls[0]![0], 'billing')
  t.equal(calls[1]![1], 'billing')

  await app.portcullis.session.update(sid, of({ cart: ['book'] }))
  await app.inject({ url: '/token', headers: { cookie } })
  t.match(decode(minted.at(-1)!).claims, { of: { cart: ['book'] } })
  t.equal(calls.length, 3)
})

t.test('the claims of a client\'s access token can be passed on to services', async t => {
  const app = await buildApp(t, (await createStore(t)).store, { accessToken: { claims: () => of({ tenant: 'acme' }) }, mint: { claims: ({ claims }) => of(claims ?? {}) } }, app => {
    app.get('/token', { onRequest: app.portcullis.authenticate({ audience: 'orders' }) }, async ({ identity }) => { minted.push(app.portcullis.mint(identity, 'orders')) })
  })
  const minted: string[] = []
  const { token } = await openFamily(app)
  await app.inject({ url: '/token', headers: { authorization: `Bearer ${token}` } })
  await app.inject({ url: '/token', headers: { cookie: (await openSession(app)).cookie } })

  t.equal(decode(minted[0]!).claims['tenant'], 'acme')
  t.equal(decode(minted[1]!).claims['tenant'], undefined)
})

t.test('claims of the greatest depth and size are issued and verified', async t => {
  const nested = (levels: number): unknown => levels === 0 ? 1 : [nested(levels - 1)]
  for (const claims of [{ deep: nested(15) }, { text: '李'.repeat(337) }, { text: '"'.repeat(506) }, { '': 0, 'Zoë 🦊': '\u0000\u2028' }]) {
    const { accessToken } = await build(t, { accessToken: { claims: () => of(claims) } })
    t.strictSame((await accessToken.verify(accessToken.issue(sessionRecord(), grant))).claims, claims)
  }
})

t.test('a sign-in whose access token cannot be issued leaves no session, and those that the request carries go on', async t => {
  const { store } = await createStore(t)
  let claims: object = {}
  const app = await buildApp(t, store, { accessToken: { claims: () => of(claims) } })
  const carried = await openFamily(app)
  claims = { sub: 'eve' }

  const response = await app.inject({ method: 'POST', url: '/tokens', headers: { cookie: carried.cookie } })

  t.equal(response.statusCode, 500)
  t.equal(response.headers['set-cookie'], undefined)
  t.same((await store.list('ada')).map(({ sid }) => sid), [carried.sid])
})

t.test('a refresh issues a token with the claims of the record as it is then, and answers 500 if they cannot be issued', async t => {
  const app = await buildApp(t, (await createStore(t)).store, { accessToken: { claims: ({ data }) => of(data) } })
  const { cookie, sid } = await openFamily(app)
  await app.portcullis.session.update(sid, of({ tenant: 'acme' }))

  const refreshed = await app.inject({ method: 'POST', url: '/refresh', headers: { cookie } })
  t.equal(decode(refreshed.json<{ access_token: string }>().access_token).claims['tenant'], 'acme')
  await app.portcullis.session.update(sid, of({ sub: 'eve' }))
  const refused = await app.inject({ method: 'POST', url: '/refresh', headers: { cookie } })
  t.equal(refused.statusCode, 500)
  t.notOk(refused.body.includes('eve'))
})

t.test('what is no function is refused when the plugins are registered', async t => {
  await t.rejects(build(t, { accessToken: { claims: {} as never } }), { message: 'portcullis-access-token: claims must be a function that returns claims' })
  await t.rejects(build(t, { mint: { claims: 'tenant' as never } }), { message: 'portcullis-mint: claims must be a function that returns claims' })
})
