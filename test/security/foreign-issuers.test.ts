import { createHmac, randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SignJWT } from 'jose'
import t, { type Test } from 'tap'
import type { ConfigInput } from '../../config/schema.ts'
import { verificationAlgorithms } from '../../lib/jwt/jws.ts'
import { origin, post, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { encode, foreignClaims, foreignKey, signForeign, type ForeignKey } from '../helpers/foreign-issuer.ts'
import { assertProblem } from '../helpers/problem.ts'

/*
 * Somebody whom the gateway trusts to name people tries to name more than those: an issuer speaks for another issuer's user or for
 * one of the gateway's own, gives scopes that it may not give, or passes its ID tokens off as access tokens. And somebody whom it
 * does not trust looks for a way in beside the signature: no algorithm, the public key as a shared secret, a key in the header, a
 * claim that is missing, stands twice, or is a list where a text was expected. Whoever was revoked comes back with the same token.
 */

const idp = 'https://idp.example.com'
const partner = 'https://partner.example.com'
const key = foreignKey('k1')
const partnerKey = foreignKey('k1')
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

type IssuerInput = NonNullable<ConfigInput['issuers']>[number]

async function start (t: Test, changes: Partial<IssuerInput> = {}, keys: ForeignKey[] = [key], more: Partial<ConfigInput> = {}): Promise<TestGateway> {
  const folder = t.testdir({ 'idp.json': JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }), 'partner.json': JSON.stringify({ keys: [partnerKey.jwk] }) })
  return await startGateway(t, {
    issuers: [
      { name: 'idp', issuer: idp, jwks: join(folder, 'idp.json'), algorithms: ['ES256'], scopes: ['orders:read', 'orders:write'], ...changes },
      { name: 'partner', issuer: partner, jwks: join(folder, 'partner.json'), algorithms: ['ES256'], scopes: ['orders:read'] }
    ],
    ...more
  })
}

const get = async (url: string, token: string): Promise<Response> => await fetch(url, { headers: bearer(token) })

async function assertRefused (t: Test, { url, orders }: TestGateway, token: string, message: string): Promise<void> {
  const before = orders.requests.length
  const response = await get(`${url}/orders`, token)
  t.equal(response.headers.get('www-authenticate'), 'Bearer error="invalid_token"', message)
  await assertProblem(t, response, 401, 'PTC_ERR_TOKEN_INVALID', message)
  t.equal(orders.requests.length, before, message)
}

t.test('a foreign user reaches a service by a token of ours, as a subject of that issuer and with the scopes that it may give', async t => {
  const { url, orders } = await start(t)
  const claims = foreignClaims(idp, { auth_time: 1_700_000_000, acr: 'gold', amr: ['otp'], sid: 'A'.repeat(22), epoch: 0, gen: 3, groups: ['admin'] })

  t.equal((await get(`${url}/orders`, signForeign(key, claims))).status, 200)

  const minted = claimsOf(orders.requests[0]?.headers.authorization)
  t.match(minted, { iss: origin, aud: 'orders', sub: 'idp|bob', scope: 'orders:read orders:write', auth_time: 1_700_000_000, acr: 'gold', amr: ['otp'] })
  for (const name of ['sid', 'epoch', 'gen', 'groups', 'client_id']) t.notOk(name in minted, name)
  t.not(minted['jti'], 'j1')
  t.ok(Number(minted['exp']) <= Number(claims['exp']))
})

t.test('what an issuer did not say, a minted token does not say either', async t => {
  const { url, orders } = await start(t)

  await get(`${url}/orders`, signForeign(key, foreignClaims(idp)))

  t.same(Object.keys(claimsOf(orders.requests[0]?.headers.authorization)).sort(), ['aud', 'exp', 'iat', 'iss', 'jti', 'scope', 'sub'])
})

for (const algorithm of verificationAlgorithms) {
  t.test(`${algorithm}: a token that another library has signed is accepted`, async t => {
    const ours = foreignKey('k1', algorithm)
    const { url } = await start(t, { algorithms: [algorithm] }, [ours])
    const token = await new SignJWT(foreignClaims(idp)).setProtectedHeader({ alg: algorithm, typ: 'application/AT+JWT', kid: 'k1', x5t: 'a thumbprint' }).sign(ours.privateKey)

    t.equal((await get(`${url}/orders`, token)).status, 200)
    t.equal((await get(`${url}/orders`, `${token.slice(0, -8)}AAAAAAAA`)).status, 401)
  })
}

t.test('one issuer does not speak for another, and a sub belongs to its issuer', async t => {
  const gateway = await start(t)
  const { url, orders } = gateway
  for (const [signer, iss] of [[key, idp], [partnerKey, partner]] as const) t.equal((await get(`${url}/orders`, signForeign(signer, foreignClaims(iss)))).status, 200)
  t.same(orders.requests.map(({ headers }) => claimsOf(headers.authorization)['sub']), ['idp|bob', 'partner|bob'])
  t.same(orders.requests.map(({ headers }) => claimsOf(headers.authorization)['scope']), ['orders:read orders:write', 'orders:read'])

  await assertRefused(t, gateway, signForeign(key, foreignClaims(partner)), 'the other\'s name')
  await assertRefused(t, gateway, signForeign(partnerKey, foreignClaims(idp)), 'the other way round')
  await assertRefused(t, gateway, signForeign(key, foreignClaims(origin)), 'our own name')
  for (const iss of [[idp], [idp, partner], `${idp}/`, idp.toUpperCase(), ` ${idp}`, '', null, 1, { idp }, 'https://evil.example.com']) {
    await assertRefused(t, gateway, signForeign(key, { ...foreignClaims(idp), iss }), JSON.stringify(iss))
  }
})

t.test('every claim that is missing, of the wrong type or out of its time is refused', async t => {
  const gateway = await start(t)
  const now = Math.floor(Date.now() / 1000)
  const wrong: Record<string, unknown[]> = {
    iss: [undefined],
    sub: [undefined, null, '', 1, ['bob'], 'b\nob', 'b\u0000ob', '\ud800', 'b'.repeat(256)],
    aud: [undefined, null, '', [], ['other'], 'order', 'orders2', 'Orders', 'orders ', ' orders', 1, { orders: true }, [['orders']], ['orders', 1], ['']],
    exp: [undefined, null, String(now + 60), -1, now - 6, now - 0.5, 2 ** 53],
    iat: [undefined, null, String(now), -1, now + 3600, now - 3601, now + 10.5, 0],
    nbf: [null, String(now), now + 60, -1],
    jti: [undefined, null, '', 1, ['j1'], 'j\u00001', '\u0001', 'j1\n', '\u007f', '\u009f', 'j'.repeat(1025)],
    scope: [null, 1, ['orders:read']],
    auth_time: [null, 'today', now + 3600, -1],
    acr: [null, 1],
    amr: [null, 'otp', [1]],
    cnf: [{ jkt: 'a' }],
    nonce: ['n'],
    events: [{ 'http://schemas.openid.net/event/backchannel-logout': {} }],
    token_use: ['id', 1],
    typ: ['ID', 'Refresh', 'Logout']
  }
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) await assertRefused(t, gateway, signForeign(key, foreignClaims(idp, { [name]: value })), `${name}: ${JSON.stringify(value)}`)
  }
  for (const changes of [{ aud: 'orders' }, { aud: ['else', 'orders'] }, { nbf: now + 4, iat: now + 4 }, { exp: now + 600.5, iat: now - 0.5, nbf: now - 0.25, auth_time: now - 1.75 }, { exp: now + 1e2 }, { sub: 'auth0|ü ö' }, { token_use: 'access', typ: 'Bearer' }]) {
    t.equal((await get(`${gateway.url}/orders`, signForeign(key, foreignClaims(idp, changes)))).status, 200, JSON.stringify(changes))
  }
})

t.test('JSON that can be read in two ways is refused, though the key is right', async t => {
  const gateway = await start(t)
  const good = JSON.stringify(foreignClaims(idp))
  const header = JSON.stringify({ alg: 'ES256', typ: 'at+jwt', kid: 'k1' })
  const claims: Record<string, string> = {
    'aud twice': good.replace('"aud"', '"aud":"billing","aud"'),
    'aud twice, once escaped': good.replace('"aud"', '"aud":"billing","\\u0061ud"'),
    'byte order mark': `\ufeff${good}`,
    'an endless exp': good.replace(/"exp":\d+/, '"exp":1e400'),
    list: `[${good}]`,
    'an empty list': '[]',
    null: 'null',
    text: '"x"',
    'too deep': good.replace('{', `{"a":${'['.repeat(1000)}${']'.repeat(1000)},`)
  }
  for (const [what, text] of Object.entries(claims)) await assertRefused(t, gateway, signForeign(key, text), what)
  await assertRefused(t, gateway, signForeign(key, good, header.replace('"alg"', '"alg":"none","alg"')), 'alg twice')
  await assertRefused(t, gateway, signForeign(key, good, `\ufeff${header}`), 'byte order mark in the header')
  t.equal((await get(`${gateway.url}/orders`, signForeign(key, good, header))).status, 200)
})

t.test('a token has one spelling', async t => {
  const gateway = await start(t)
  const token = signForeign(key, foreignClaims(idp))
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const unusedBits = token.slice(0, -1) + alphabet[alphabet.indexOf(token.at(-1)!) ^ 1]!
  for (const other of [unusedBits, `${token}=`, `${token}==`, token.replace('.', '. '), `${token}.`, `${token}.x.y`, token.replaceAll('.', '..')]) await assertRefused(t, gateway, other, other.slice(-4))
  t.equal((await get(`${gateway.url}/orders`, token)).status, 200)
})

t.test('no header chooses the algorithm, the key or another kind of token', async t => {
  const gateway = await start(t)
  const claims = foreignClaims(idp)
  const header = { alg: 'ES256', typ: 'at+jwt', kid: 'k1' }
  const changes: Array<Record<string, unknown>> = [
    ...['none', 'None', 'NONE', 'nOnE', '', null, 'es256', 'ES256 ', 'ES256K', 'ES384', 'RS256', 'PS256', 'HS256', 'EdDSA', ['ES256'], undefined].map(alg => ({ alg })),
    ...[undefined, null, '', 'JWT', 'logout+jwt', 'dpop+jwt', 'statuslist+jwt', 'id+jwt', ['at+jwt'], 'at+jwt '].map(typ => ({ typ })),
    ...['k2', '', null, 1, ['k1'], '../../dev/null', '__proto__', 'k1\u0000', 'k'.repeat(1000)].map(kid => ({ kid })),
    ...[[], ['x'], ['exp'], ['b64'], 'exp'].map(crit => ({ crit, exp: 1, b64: true })),
    { b64: false },
    { jwk: partnerKey.jwk },
    { jku: `${gateway.orders.url}/jwks.json` },
    { x5u: `${gateway.orders.url}/x5u` },
    { x5c: ['MIIB'] },
    { cty: 'JWT' },
    { enc: 'A256GCM', zip: 'DEF' },
    { p2c: 2 ** 31, p2s: 'a' }
  ]
  for (const change of changes) await assertRefused(t, gateway, signForeign(key, claims, { ...header, ...change }), JSON.stringify(change))
  await assertRefused(t, gateway, signForeign(partnerKey, claims, { ...header, jwk: partnerKey.jwk }), 'a key of the sender\'s own')
  t.equal(gateway.orders.requests.length, 0, 'nothing is fetched')
})

t.test('a public key is no shared secret, and no signature is none', async t => {
  for (const [algorithm, published] of [['ES256', key], ['RS256', foreignKey('k1', 'RS256')]] as const) {
    const gateway = await start(t, { algorithms: [algorithm] }, [published])
    const pem = published.publicKey.export({ type: 'spki', format: 'pem' }).toString()
    const pkcs1 = algorithm === 'RS256' ? published.publicKey.export({ type: 'pkcs1', format: 'pem' }).toString() : pem
    const der = published.publicKey.export({ type: 'spki', format: 'der' })
    const body = encode(foreignClaims(idp))
    for (const alg of ['HS256', 'HS384', 'HS512']) {
      const input = `${encode({ alg, typ: 'at+jwt', kid: 'k1' })}.${body}`
      for (const secret of [pem, pem.trim(), ` ${pem}`, `\n${pem}`, `\ufeff${pem}`, pkcs1, der, JSON.stringify(published.jwk), JSON.stringify({ keys: [published.jwk] }), '']) {
        await assertRefused(t, gateway, `${input}.${createHmac(`sha${alg.slice(2)}`, secret).update(input).digest('base64url')}`, `${alg} ${String(secret).slice(0, 20)}`)
      }
    }
    for (const alg of ['none', 'None', 'NONE', 'nOnE', algorithm]) {
      for (const signature of ['', 'AA', Buffer.alloc(64).toString('base64url'), Buffer.alloc(256).toString('base64url')]) await assertRefused(t, gateway, `${encode({ alg, typ: 'at+jwt', kid: 'k1' })}.${body}.${signature}`, alg)
    }
  }
})

t.test('a key verifies with the one algorithm that it says', async t => {
  const [rsa, pss] = [foreignKey('rsa', 'RS256'), foreignKey('pss', 'PS256')]
  const gateway = await start(t, { algorithms: ['RS256', 'PS256'] }, [rsa, pss])
  for (const one of [rsa, pss]) t.equal((await get(`${gateway.url}/orders`, signForeign(one, foreignClaims(idp)))).status, 200)
  await assertRefused(t, gateway, signForeign({ ...rsa, algorithm: 'PS256' }, foreignClaims(idp)), 'PS256 with the RS256 key')
  await assertRefused(t, gateway, signForeign({ ...pss, algorithm: 'RS256' }, foreignClaims(idp)), 'RS256 with the PS256 key')
  await assertRefused(t, gateway, signForeign({ ...rsa, kid: 'pss' }, foreignClaims(idp)), 'the kid of the other key')
})

t.test('a kid of two keys names the one whose type the token\'s algorithm has', async t => {
  const [ec, rsa] = [foreignKey('k', 'ES256'), foreignKey('k', 'RS256')]
  const gateway = await start(t, { algorithms: ['ES256', 'RS256'] }, [ec, rsa])
  for (const one of [ec, rsa]) t.equal((await get(`${gateway.url}/orders`, signForeign(one, foreignClaims(idp)))).status, 200, one.algorithm)
  await assertRefused(t, gateway, signForeign(foreignKey('k', 'RS256'), foreignClaims(idp)), 'another key of that kid')
})

t.test('the fully specified name of an Edwards curve is good in the configuration, the key and the token', async t => {
  const ours = foreignKey('k', 'EdDSA')
  for (const configured of ['Ed25519', 'EdDSA'] as const) {
    for (const alg of ['Ed25519', 'EdDSA']) {
      const { url } = await start(t, { algorithms: [configured] }, [{ ...ours, jwk: { ...ours.jwk, alg } }])
      for (const name of ['Ed25519', 'EdDSA']) t.equal((await get(`${url}/orders`, signForeign(ours, foreignClaims(idp), { alg: name, typ: 'at+jwt', kid: 'k' }))).status, 200, `${configured} ${alg} ${name}`)
    }
  }
})

t.test('a token with two hundred groups is accepted, and so is every token that is issued here', async t => {
  const { url } = await start(t, {}, [key], { identity: async () => ({ subject: 'ada', scopes: ['orders:read', ...Array.from({ length: 500 }, (_, index) => `scope:number-${index}`)] }) })
  const groups = Array.from({ length: 200 }, () => randomUUID())
  t.equal((await get(`${url}/orders`, signForeign(key, foreignClaims(idp, { groups })))).status, 200)

  const { token } = await signInForTokens(url)

  t.ok(token.length > 10_000)
  t.equal((await get(`${url}/orders`, token)).status, 200)
})

t.test('a subject with more scopes than a token can carry is not signed in, in either mode', async t => {
  const { url, store } = await start(t, {}, [key], { identity: async () => ({ subject: 'ada', scopes: Array.from({ length: 1000 }, (_, index) => `scope:number-${index}`) }) })

  for (const mode of ['session', 'tokens']) {
    const response = await post(`${url}/auth/login`, { username: 'ada', password: 'x', mode })
    t.same([response.status, response.headers.getSetCookie()], [500, []], mode)
  }
  t.same(await store.list('ada'), [])
})

t.test('a token without kid is accepted where there is one key, and refused where there are two', async t => {
  const token = signForeign(key, foreignClaims(idp), { alg: 'ES256', typ: 'at+jwt' })
  t.equal((await get(`${(await start(t)).url}/orders`, token)).status, 200)
  await assertRefused(t, await start(t, {}, [key, foreignKey('k2')]), token, 'which of the two')
})

t.test('no issuer speaks for the gateway itself, whatever audience it names', async t => {
  const { url } = await start(t)
  const token = signForeign(key, foreignClaims(idp, { aud: [origin, 'origin', 'orders'] }))
  t.equal((await get(`${url}/orders`, token)).status, 200)
  for (const [method, path] of [['GET', '/auth/session'], ['GET', '/auth/sessions'], ['DELETE', `/auth/sessions/${'A'.repeat(22)}`], ['POST', '/auth/logout']] as const) {
    await assertProblem(t, await fetch(`${url}${path}`, { method, headers: bearer(token) }), 401, 'PTC_ERR_TOKEN_INVALID', path)
  }
  await assertProblem(t, await post(`${url}/auth/logout`, { scope: 'all' }, bearer(token)), 401, 'PTC_ERR_TOKEN_INVALID')
})

t.test('with typ: any a plain JWT is accepted too, and other kinds of token still are not', async t => {
  const gateway = await start(t, { typ: 'any' })
  const claims = foreignClaims(idp)
  const header = { alg: 'ES256', kid: 'k1' }
  for (const typ of [undefined, 'JWT', 'jwt', 'application/jwt', 'at+jwt', 'application/at+jwt']) t.equal((await get(`${gateway.url}/orders`, signForeign(key, claims, { ...header, typ }))).status, 200, String(typ))
  for (const typ of ['logout+jwt', 'dpop+jwt', 'secevent+jwt', 'id+jwt', 'statuslist+jwt', '', null, 1, ['JWT']]) await assertRefused(t, gateway, signForeign(key, claims, { ...header, typ }), JSON.stringify(typ))
  for (const changes of [{ nonce: 'n' }, { at_hash: 'a' }, { events: {} }, { token_use: 'id' }, { typ: 'Refresh' }]) await assertRefused(t, gateway, signForeign(key, foreignClaims(idp, changes), header), JSON.stringify(changes))
})

t.test('a token is too old before it expires, and a minted one does not outlive it', async t => {
  const gateway = await start(t, { maxTokenAge: '2m' })
  const now = Math.floor(Date.now() / 1000)
  await assertRefused(t, gateway, signForeign(key, foreignClaims(idp, { iat: now - 120, exp: now + 3600 })), 'two minutes old')
  t.equal((await get(`${gateway.url}/orders`, signForeign(key, foreignClaims(idp, { iat: now - 60, exp: now + 3600 })))).status, 200)
  t.ok(Number(claimsOf(gateway.orders.requests[0]?.headers.authorization)['exp']) <= now + 60)
})

t.test('scopes that an issuer may not give do not count', async t => {
  const { url, orders } = await start(t, { scopes: [] })
  const response = await get(`${url}/orders`, signForeign(key, foreignClaims(idp)))
  await assertProblem(t, response, 403, 'PTC_ERR_SCOPE_INSUFFICIENT')
  t.equal((await get(`${url}/billing`, signForeign(key, foreignClaims(idp)))).status, 200)
  t.equal(orders.requests.length, 0)
})

t.test('a sign-in of unknown age is not recent, one that the issuer tells of may be', async t => {
  const { url } = await start(t, {}, [key], { upstreams: [{ prefix: '/orders', target: 'http://127.0.0.1:1', audience: 'orders', stepUp: { maxAge: '5m' } }] })
  await assertProblem(t, await get(`${url}/orders`, signForeign(key, foreignClaims(idp))), 401, 'PTC_ERR_STEP_UP_REQUIRED')
  t.equal((await get(`${url}/orders`, signForeign(key, foreignClaims(idp, { auth_time: Math.floor(Date.now() / 1000) - 60 })))).status, 502)
})

t.test('a service that is told by headers learns of no session, one that wants the client\'s own token gets no foreign one', async t => {
  const { url, orders } = await start(t)
  const both = await start(t, {}, [key], {
    upstreams: [
      { prefix: '/headers', target: orders.url, audience: 'orders', forward: 'headers' },
      { prefix: '/pass', target: orders.url, audience: 'orders', access: 'token', forward: 'pass' }
    ]
  })
  t.ok(url)
  const token = signForeign(key, foreignClaims(idp, { aud: 'orders' }))
  t.equal((await fetch(`${both.url}/headers`, { headers: { ...bearer(token), 'x-auth-session': 'forged' } })).status, 200)
  t.match(orders.requests[0]?.headers, { 'x-auth-subject': 'idp|bob', 'x-auth-scope': 'orders:read orders:write' })
  t.notOk('x-auth-session' in (orders.requests[0]?.headers ?? {}))
  await assertProblem(t, await get(`${both.url}/pass`, token), 401, 'PTC_ERR_TOKEN_INVALID')
})

t.test('a token is revoked by issuer and jti, also while it is remembered, and its namesake is not', async t => {
  const gateway = await start(t)
  const { url, app } = gateway
  const [one, other] = [signForeign(key, foreignClaims(idp)), signForeign(partnerKey, foreignClaims(partner))]
  for (const token of [one, other]) t.equal((await get(`${url}/orders`, token)).status, 200)

  await app.portcullis.blocklist.revoke({ jti: 'j1', issuer: idp })

  await assertRefused(t, gateway, one, 'revoked')
  await assertRefused(t, gateway, signForeign(key, foreignClaims(idp)), 'the same jti, signed again')
  t.equal((await get(`${url}/orders`, other)).status, 200)
})

t.test('a cut of a foreign subject ends its tokens of before, and nobody else\'s; later ones are good', async t => {
  const gateway = await start(t)
  const { url, app } = gateway
  const tokens = { before: signForeign(key, foreignClaims(idp)), namesake: signForeign(partnerKey, foreignClaims(partner)), eve: signForeign(key, foreignClaims(idp, { sub: 'eve' })) }
  for (const token of Object.values(tokens)) t.equal((await get(`${url}/orders`, token)).status, 200)

  await app.portcullis.blocklist.revoke({ subject: 'idp|bob' })

  await assertRefused(t, gateway, tokens.before, 'before the cut')
  await assertRefused(t, gateway, signForeign(key, foreignClaims(idp, { jti: 'j2' })), 'of the same second')
  for (const token of [tokens.namesake, tokens.eve]) t.equal((await get(`${url}/orders`, token)).status, 200)
  const { now } = Date
  t.teardown(() => { Date.now = now })
  Date.now = () => now() + 10_000
  t.equal((await get(`${url}/orders`, signForeign(key, foreignClaims(idp, { jti: 'j3' })))).status, 200)
})

t.test('a cut is judged by the store too, where strict is demanded, and a cut of everybody reaches everybody', async t => {
  const { url, store } = await start(t, {}, [key], { revocation: { consistency: 'strict' } })
  const [bob, eve] = [signForeign(key, foreignClaims(idp)), signForeign(key, foreignClaims(idp, { sub: 'eve', jti: 'j2' }))]
  for (const token of [bob, eve]) t.equal((await get(`${url}/orders`, token)).status, 200)
  await store.revokeSubject('idp|bob', { exceptSid: null, keepForMs: 3_600_000 })
  t.equal((await get(`${url}/orders`, bob)).status, 401)
  t.equal((await get(`${url}/orders`, eve)).status, 200)
  await store.revokeAll({ keepForMs: 3_600_000 })
  t.equal((await get(`${url}/orders`, eve)).status, 401)
})

t.test('a key that is taken out of the file is worth nothing any more, also for tokens that are remembered', async t => {
  const folder = t.testdir({ 'keys.json': JSON.stringify({ keys: [key.jwk] }) })
  const file = join(folder, 'keys.json')
  const next = foreignKey('k2')
  const { url } = await startGateway(t, { issuers: [{ name: 'idp', issuer: idp, jwks: file, algorithms: ['ES256'], scopes: ['orders:read'] }] })
  const [before, after] = [signForeign(key, foreignClaims(idp)), signForeign(next, foreignClaims(idp, { jti: 'j2' }))]
  t.same([(await get(`${url}/orders`, before)).status, (await get(`${url}/orders`, after)).status], [200, 401])

  await writeFile(file, JSON.stringify({ keys: [next.jwk] }))
  while ((await get(`${url}/orders`, after)).status !== 200) await new Promise(resolve => setTimeout(resolve, 20))

  t.equal((await get(`${url}/orders`, before)).status, 401)
  await writeFile(file, '{"keys":')
  await new Promise(resolve => setTimeout(resolve, 700))
  t.equal((await get(`${url}/orders`, after)).status, 200, 'a broken file changes nothing')
})

t.test('tokens of the gateway\'s own are good beside them', async t => {
  const { url } = await start(t)
  const { token } = await signInForTokens(url)
  t.equal((await get(`${url}/orders`, token)).status, 200)
  t.equal((await get(`${url}/auth/session`, token)).status, 200)
})
