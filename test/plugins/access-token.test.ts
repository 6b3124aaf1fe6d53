import jwt from '@fastify/jwt'
import { createHmac, sign as cryptoSign } from 'node:crypto'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import type { Identity } from '../../lib/identity.ts'
import { generateKey, importKey, publishAheadMs } from '../../lib/jwt/signing-key.ts'
import { signToken } from '../helpers/sign-token.ts'
import accessToken, { type AccessTokenOptions } from '../../plugins/access-token.ts'
import keys, { type KeysOptions } from '../../plugins/keys.ts'
import mint from '../../plugins/mint.ts'
import storePlugin from '../../plugins/store.ts'
import type { Store } from '../../stores/store.ts'
import { createFaultyStore, createServer, createStore, decode, origin, secret, sessionRecord } from '../helpers/build-app.ts'

async function build (t: Test, store: Store, options: Partial<AccessTokenOptions> = {}, keysOptions: Partial<KeysOptions> = {}) {
  const app = createServer(t)
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(keys, { secret, ...keysOptions })
  await app.register(accessToken, { issuer: origin, ...options })
  await app.register(mint)
  return app
}

async function buildAlone (t: Test) {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const { accessToken, keys } = app.portcullis
  const token = accessToken.issue(sessionRecord(), { audience: ['orders'], generation: 1 })
  return { app, store, accessToken, keys, token, ...decode(token) }
}

const encode = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const refused = { code: 'PTC_ERR_TOKEN_INVALID' }

/** Resolves either way: an unknown key makes a promise of what is otherwise thrown. */
async function verify (app: { portcullis: { accessToken: { verify: (token: string) => Identity | Promise<Identity> } } }, token: string): Promise<Identity> {
  return await app.portcullis.accessToken.verify(token)
}

for (const algorithm of ['ES256', 'EdDSA', 'RS256'] as const) {
  t.test(`${algorithm}: what is issued is verified, and tells the session`, async t => {
    const { store } = await createStore(t)
    const { portcullis } = await build(t, store, { ttl: '5m' }, { algorithm })
    const record = sessionRecord({ scopes: ['a', 'b'] })

    const token = portcullis.accessToken.issue(record, { audience: ['orders'], generation: 3 })
    const { header, claims } = decode(token)
    const identity = portcullis.accessToken.verify(token)

    t.same(header, { alg: algorithm, typ: 'at+jwt', kid: portcullis.keys.current().kid })
    t.match(claims, { iss: origin, sub: 'ada', aud: ['orders'], sid: record.sid, scope: 'a b', gen: 3, epoch: 1, client_id: 'portcullis', acr: '1', amr: ['pwd'] })
    t.equal(Number(claims['exp']) - Number(claims['iat']), 300)
    t.match(identity, { subject: 'ada', audiences: ['orders'], scopes: ['a', 'b'], generation: 3, jti: claims['jti'] })
  })
}

t.test('a verified token is remembered as the same identity', async t => {
  const { accessToken, token } = await buildAlone(t)

  t.equal(accessToken.verify(token), accessToken.verify(token))
})

t.test('a cache of size 0 verifies every time', async t => {
  const { store } = await createStore(t)
  const { portcullis: { accessToken } } = await build(t, store, { cacheSize: 0 })
  const token = accessToken.issue(sessionRecord(), { audience: ['orders'], generation: null })

  t.not(accessToken.verify(token), accessToken.verify(token))
})

t.test('no token outlives its session', async t => {
  const { accessToken } = await buildAlone(t)
  const expiresAtMs = Date.now() + 30_000
  const token = accessToken.issue(sessionRecord({ expiresAtMs }), { audience: ['orders'], generation: null })

  t.equal(decode(token).claims['exp'], Math.floor(expiresAtMs / 1000))
})

t.test('a token that expires while it is remembered is refused from then on', async t => {
  const { accessToken, keys, claims } = await buildAlone(t)
  const token = signToken(keys.current(), 'at+jwt', { ...claims, exp: Math.floor(Date.now() / 1000) + 60 })
  t.ok(accessToken.verify(token))

  const { now } = Date
  t.teardown(() => { Date.now = now })
  Date.now = () => now() + 61_000

  t.throws(() => accessToken.verify(token), refused)
})

t.test('an expired token is accepted for sign-out alone, and a wrong one not even there', async t => {
  const { accessToken, keys, claims, token } = await buildAlone(t)
  const iat = Math.floor(Date.now() / 1000) - 3600
  const expired = signToken(keys.current(), 'at+jwt', { ...claims, iat, exp: iat + 600 })

  t.throws(() => accessToken.verify(expired), refused)
  t.match(await accessToken.verifyExpired(expired), { subject: 'ada' })
  t.throws(() => accessToken.verify(expired), refused)
  t.match(await accessToken.verifyExpired(token), { subject: 'ada' })
  await t.rejects(accessToken.verifyExpired(`${expired.slice(0, -4)}AAAA`), refused)
  await t.rejects(accessToken.verifyExpired('a.b.c'), refused)
  await t.rejects(accessToken.verifyExpired(signToken(keys.current(), 'at+jwt', { ...claims, iss: 'https://evil.example', exp: iat })), refused)
})

t.test('a header that is not exactly ours is refused, though the signature is right', async t => {
  const { app, keys, header, claims } = await buildAlone(t)
  const key = keys.current()
  const sign = (header: unknown, algorithm = key): string => {
    const input = `${encode(header)}.${encode(claims)}`
    const [, , signature = ''] = signToken(algorithm, 'x', {}).split('.')
    return `${input}.${signature}`
  }
  const { kid: _, ...withoutKid } = header
  const { typ: __, ...withoutTyp } = header
  const headers: Record<string, unknown> = {
    'without kid': withoutKid,
    'kid null': { ...header, kid: null },
    'kid a list': { ...header, kid: [header['kid']] },
    'kid a path': { ...header, kid: '../../dev/null' },
    'without typ': withoutTyp,
    'typ JWT': { ...header, typ: 'JWT' },
    'typ dpop+jwt': { ...header, typ: 'dpop+jwt' },
    'typ a list': { ...header, typ: ['at+jwt'] },
    'alg none': { ...header, alg: 'none' },
    'alg of another key type': { ...header, alg: 'RS256' },
    'alg in another case': { ...header, alg: 'es256' },
    'alg a list': { ...header, alg: ['ES256'] },
    crit: { ...header, crit: ['exp'] },
    jku: { ...header, jku: 'https://evil.example/jwks.json' },
    jwk: { ...header, jwk: keys.jwks().keys[0] },
    x5c: { ...header, x5c: [] },
    b64: { ...header, b64: false },
    zip: { ...header, zip: 'DEF' }
  }
  for (const [name, changed] of Object.entries(headers)) {
    await t.rejects(verify(app, sign(changed)), refused, name)
    await t.rejects(app.portcullis.accessToken.verifyExpired(sign(changed)), refused, name)
  }
})

/*
 * The same headers again, but properly signed by the gateway's own key over what they say: so that it is the header that is
 * refused, and not the signature.
 */
t.test('extra header parameters and another type are refused also when the gateway itself had signed them', async t => {
  const { app, keys, claims } = await buildAlone(t)
  const key = keys.current()

  t.ok(await verify(app, signToken(key, 'at+jwt', claims)))
  t.ok(await verify(app, signToken(key, 'AT+JWT', claims)))
  for (const typ of ['JWT', 'application/at+jwt', 'logout+jwt', '']) await t.rejects(verify(app, signToken(key, typ, claims)), refused, typ)
  for (const extra of [{ crit: ['b64'] }, { jku: 'https://evil.example' }, { cty: 'JWT' }]) {
    const named = { ...key, toString: () => '' }
    const token = signWith(named, { alg: key.algorithm, typ: 'at+jwt', kid: key.kid, ...extra }, claims)
    await t.rejects(verify(app, token), refused, JSON.stringify(extra))
  }
})

/** Signs any header, by letting the signer believe that it is part of the claims' text. */
function signWith (key: Parameters<typeof signToken>[0], header: object, claims: object): string {
  const input = `${encode(header)}.${encode(claims)}`
  return `${input}.${signInput(key, input)}`
}

function signInput (key: Parameters<typeof signToken>[0], input: string): string {
  return cryptoSign('sha256', Buffer.from(input), { key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')
}

t.test('the public key is no HMAC secret', async t => {
  const { app, keys, claims } = await buildAlone(t)
  const { publicKey, kid } = keys.current()
  const pem = publicKey.export({ type: 'spki', format: 'pem' })
  for (const alg of ['HS256', 'ES256']) {
    const input = `${encode({ alg, typ: 'at+jwt', kid })}.${encode(claims)}`
    for (const key of [pem, publicKey.export({ type: 'spki', format: 'der' }), '']) await t.rejects(verify(app, `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`), refused, alg)
  }
})

t.test('claims that are wrong are refused, though the signature is right', async t => {
  const { app, keys, claims } = await buildAlone(t)
  const now = Math.floor(Date.now() / 1000)
  const changes: Array<Record<string, unknown>> = [
    { iss: 'https://evil.example' }, { iss: `${origin}/` }, { aud: undefined }, { aud: [] }, { aud: '' }, { aud: ['orders', 7] },
    { exp: undefined }, { exp: now + 60.5 }, { exp: String(now + 60) }, { exp: now }, { exp: now - 1 }, { exp: -1 }, { exp: 1e300 },
    { iat: undefined }, { iat: now - 0.5 }, { iat: String(now) }, { iat: now + 3600 }, { nbf: now + 3600 }, { nbf: 'soon' },
    { sub: undefined }, { sub: '' }, { sub: 7 }, { sid: undefined }, { sid: null }, { jti: undefined }, { epoch: undefined }, { epoch: '1' }, { scope: undefined }, { scope: ['orders:read'] },
    { client_id: undefined }, { auth_time: undefined }, { amr: 'pwd' }, { gen: 'x' }
  ]
  for (const change of changes) await t.rejects(verify(app, signToken(keys.current(), 'at+jwt', { ...claims, ...change })), refused, JSON.stringify(change))
})

t.test('a signature that is changed, missing, or another token\'s is refused', async t => {
  const { app, accessToken, token } = await buildAlone(t)
  const [header = '', claims = '', signature = ''] = token.split('.')
  const other = accessToken.issue(sessionRecord({ subject: 'eve' }), { audience: ['orders'], generation: null }).split('.')
  const bytes = Buffer.from(signature, 'base64url')
  bytes[0] = (bytes[0] ?? 0) ^ 1

  for (const bad of [`${header}.${claims}.`, `${header}.${claims}`, `${header}.${claims}.${bytes.toString('base64url')}`, `${header}.${claims}.${other[2] ?? ''}`, `${header}.${other[1] ?? ''}.${signature}`, `${header}.${claims}.${encode(Buffer.alloc(64))}`]) await t.rejects(verify(app, bad), refused)
  t.ok(await verify(app, token))
})

t.test('what is no token at all is refused without asking the store', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const good = app.portcullis.accessToken.issue(sessionRecord(), { audience: ['orders'], generation: null })
  const before = faulty.calls.readKeys
  faulty.fail()

  for (const bad of ['', 'a', 'a.b', 'a.b.c', 'a.b.c.d', `${good}=`, `${good} `, `${good}\n`, 'x'.repeat(100_000), `${encode('{"alg":"none"}')}.${encode('{}')}.${encode('x')}`, `${encode('[]')}.${encode('[]')}.AAAA`]) await t.rejects(verify(app, bad), refused, bad.slice(0, 60))
  t.equal(faulty.calls.readKeys, before)
  t.ok(await verify(app, good))
})

t.test('a token of another gateway\'s key is refused', async t => {
  const { app, claims } = await buildAlone(t)
  const foreign = importKey(generateKey('ES256'), 'ES256', { createdAtMs: 0, signsFromMs: 0 })

  await t.rejects(verify(app, signToken(foreign, 'at+jwt', claims)), refused)
  await t.rejects(verify(app, signToken({ ...foreign, kid: app.portcullis.keys.current().kid }, 'at+jwt', claims)), refused)
})

t.test('a token of a key that another process made is verified after reading the keys again', async t => {
  const { store, advance } = await createStore(t)
  const app = await build(t, store)
  const other = await build(t, store, {}, { algorithm: 'RS256' })
  advance(publishAheadMs)
  const token = other.portcullis.accessToken.issue(sessionRecord(), { audience: ['orders'], generation: null })

  t.match(await verify(app, token), { subject: 'ada' })
  const own = app.portcullis.accessToken.issue(sessionRecord(), { audience: ['orders'], generation: null })
  t.equal(decode(own).header['alg'], 'RS256')
  t.match(await verify(other, own), { subject: 'ada' })
})

t.test('an unknown key while the store is away is an outage, not a refusal', async t => {
  const { store, advance } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = await build(t, faulty.store)
  const other = await build(t, store, {}, { algorithm: 'EdDSA' })
  advance(publishAheadMs)
  const token = other.portcullis.accessToken.issue(sessionRecord(), { audience: ['orders'], generation: null })

  faulty.fail()
  await t.rejects(verify(app, token), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
  await t.rejects(app.portcullis.accessToken.verifyExpired(token), { code: 'PTC_ERR_STORE_UNAVAILABLE' })
  faulty.recover()
  t.match(await verify(app, token), { subject: 'ada' })
})

t.test('the tokens of a revoked key are refused at once, those that were verified before included', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  const token = app.portcullis.accessToken.issue(sessionRecord(), { audience: ['orders'], generation: null })
  const identity = await verify(app, token)
  const minted = app.portcullis.mint(identity, 'orders')

  await app.portcullis.keys.revoke(String(decode(token).header['kid']))

  await t.rejects(verify(app, token), refused)
  t.not(decode(app.portcullis.mint(identity, 'orders')).header['kid'], decode(minted).header['kid'])
})

t.test('a token that was minted for an upstream is no credential of a client', async t => {
  const { app, accessToken, token } = await buildAlone(t)
  const identity = await verify(app, token)
  const minted = app.portcullis.mint(identity, 'orders')

  t.equal(decode(minted).header['kid'], decode(token).header['kid'])
  t.throws(() => accessToken.verify(minted), refused)
  await t.rejects(accessToken.verifyExpired(minted), refused)
})

t.test('the plugin does not boot without keys', async t => {
  const { store } = await createStore(t)
  const app = createServer(t)
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(fp(async () => {}, { name: 'keys' }))

  await t.rejects(async () => { await app.register(accessToken, { issuer: origin }) }, { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' })
})

t.test('wrong options are refused by name', async t => {
  const { store } = await createStore(t)
  for (const [options, message] of [
    [{ issuer: undefined }, 'portcullis-access-token: issuer is required'],
    [{ issuer: '' }, /^portcullis-access-token: issuer /],
    [{ ttl: '59s' }, 'portcullis-access-token: ttl must be from 1m to 15m'],
    [{ ttl: '16m' }, 'portcullis-access-token: ttl must be from 1m to 15m'],
    [{ ttl: 'long' }, /^portcullis-access-token: ttl must be a duration/],
    [{ cacheSize: -1 }, /^portcullis-access-token: cacheSize /],
    [{ algorithm: 'HS256' }, 'portcullis-access-token: algorithm is not an option']
  ] as const) {
    await t.rejects(build(t, store, options as unknown as AccessTokenOptions), { code: 'PTC_ERR_CONFIG_INVALID', message }, JSON.stringify(options))
  }
})

for (const order of ['before', 'after']) {
  t.test(`an author's own @fastify/jwt, registered ${order} ours, keeps working, and neither takes the other's tokens`, async t => {
    const { store } = await createStore(t)
    const app = createServer(t)
    await app.register(storePlugin, { type: 'custom', store })
    await app.register(keys, { secret })
    if (order === 'before') await app.register(jwt, { secret: 'an-own-secret-of-the-author' })
    await app.register(accessToken, { issuer: origin })
    if (order === 'after') await app.register(jwt, { secret: 'an-own-secret-of-the-author' })
    app.get('/own', async request => await request.jwtVerify())

    const ours = app.portcullis.accessToken.issue(sessionRecord(), { audience: ['orders'], generation: null })
    const theirs = app.jwt.sign({ sub: 'theirs' })

    t.match(await verify(app, ours), { subject: 'ada' })
    t.match((await app.inject({ url: '/own', headers: { authorization: `Bearer ${theirs}` } })).json(), { sub: 'theirs' })
    t.ok((await app.inject({ url: '/own', headers: { authorization: `Bearer ${ours}` } })).statusCode >= 400)
    await t.rejects(verify(app, theirs), refused)
  })
}
