import { createCipheriv, generateKeyPairSync, pbkdf2Sync, randomBytes, sign } from 'node:crypto'
import { join } from 'node:path'
import { deflateRawSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { assertAllRefused, bearer, statusOf } from '../helpers/bearer.ts'
import { origin, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { partsOf } from '../helpers/credentials.ts'
import { encode, foreignClaims, foreignKey, signForeign } from '../helpers/foreign-issuer.ts'
import { createOutage } from '../helpers/outage.ts'
import { assertProblem } from '../helpers/problem.ts'
import { startRawUpstream } from '../helpers/upstream.ts'

/*
 * The header of a token is read before anything about it is known, so it is a lever: it names a key that the sender brought along,
 * or an address where one lies; a `kid` that is a path, a query or a name every object has; an extension that changes what was
 * signed; a kind of token that is none for here. Or the token is an encrypted one, that costs much to open.
 * Where it can be, each is signed by the gateway's own key, so that it is the header that is refused and nothing else.
 */

const idp = 'https://idp.example.com'
const theirs = foreignKey('k1')

async function start (t: Test): Promise<TestGateway & { token: string, header: Record<string, unknown>, claims: Record<string, unknown> }> {
  const folder = t.testdir({ 'idp.json': JSON.stringify({ keys: [theirs.jwk] }) })
  const gateway = await startGateway(t, { issuers: [{ name: 'idp', issuer: idp, jwks: join(folder, 'idp.json'), algorithms: ['ES256'], scopes: ['orders:read'] }] })
  const { token } = await signInForTokens(gateway.url)
  return { ...gateway, token, ...partsOf(token) }
}

t.test('no key that a token brings along or names by address is used, and nothing is fetched', async t => {
  const listener = await startRawUpstream(t, socket => { socket.destroy() })
  const { app, url, orders, header, claims } = await start(t)
  const attacker = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const jwk = attacker.export({ format: 'jwk' })
  const publicJwk = { kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y, kid: header['kid'], alg: 'ES256' }
  const levers: Array<Record<string, unknown>> = [
    { jwk: publicJwk }, { jwk }, { jwk: JSON.stringify(publicJwk) }, { jwk: null }, { jwk: {} },
    { jku: listener.url }, { jku: `${listener.url}/.well-known/jwks.json` }, { jku: [listener.url] }, { jku: `${origin}/.well-known/jwks.json` }, { jku: 'file:///etc/passwd' }, { jku: '' },
    { x5u: listener.url }, { x5u: `${listener.url}/cert.pem` }, { x5c: ['MIIB'] }, { x5c: [] }, { x5c: listener.url }, { x5t: 'AAAA' }, { 'x5t#S256': 'AAAA' },
    { iss: listener.url }, { jwks_uri: listener.url }, { kid: listener.url }, { kid: `${listener.url}/key` }
  ]
  const own = app.portcullis.keys.current()

  await assertAllRefused(t, app, levers.flatMap(lever => [own, { ...own, privateKey: attacker }].map(key => [JSON.stringify(lever), signForeign(key, claims, { ...header, ...lever })] as const)))

  // Of another issuer a thumbprint is known to be there, and tells nothing. Everything else is refused, whoever signed.
  for (const lever of levers.filter(lever => !('x5t' in lever || 'x5t#S256' in lever || 'iss' in lever || 'jwks_uri' in lever))) {
    for (const key of [theirs, { ...theirs, privateKey: attacker }]) {
      const token = signForeign(key, foreignClaims(idp), { alg: 'ES256', typ: 'at+jwt', kid: 'k1', ...lever })
      await assertProblem(t, await fetch(`${url}/orders`, { headers: bearer(token) }), 401, 'PTC_ERR_TOKEN_INVALID', JSON.stringify(lever))
    }
  }
  t.equal(listener.connections.length, 0)
  t.equal(orders.requests.length, 0)
})

t.test('a kid is one of the names of the keys, or none: never a path, a query, or a name that every object has', async t => {
  const outage = createOutage()
  const { app, url } = await startGateway(t, {}, outage)
  const { token } = await signInForTokens(url)
  const { header, claims } = partsOf(token)
  const kid = String(header['kid'])
  const kids: unknown[] = [
    '../../dev/null', '/dev/null', '/etc/passwd', 'file:///dev/null', '..', '.', '*', '%00', '%2e%2e', '\0', `${kid}\0`, `\0${kid}`, ` ${kid}`, `${kid} `, `${kid}\n`, kid.toUpperCase(), kid.toLowerCase(), kid.slice(0, -1), `${kid}=`,
    '\' OR \'1\'=\'1', '" OR ""="', '\'; DROP TABLE keys; --', '1 UNION SELECT 1', '\r\nFLUSHALL\r\n', 'portcullis:keys', '*\r\n$8\r\nFLUSHALL', '$(id)', '`id`', '${jndi:ldap://127.0.0.1/a}', // eslint-disable-line no-template-curly-in-string
    '__proto__', 'constructor', 'prototype', 'toString', 'valueOf', 'hasOwnProperty', 'length', '0', 'undefined', 'null', 'true', '', '\ud800', '\u202e', 'k'.repeat(5000),
    undefined, null, 0, 1, -1, true, false, {}, { kid }, [], [kid], [[kid]], { toString: kid }, { length: 1, 0: kid }
  ]
  const own = app.portcullis.keys.current()
  const before = outage.calls.length
  const startedAt = performance.now()

  await assertAllRefused(t, app, kids.flatMap(kid => [[`kid ${JSON.stringify(kid)?.slice(0, 60)}`, signForeign(own, claims, { ...header, kid })] as const, [`kid ${JSON.stringify(kid)?.slice(0, 60)} and an empty key`, `${encode({ ...header, kid })}.${encode(claims)}.AAAA`] as const]))

  // The store is asked for keys that others have made, at most once a second; a kid is no part of what it is asked.
  const calls = outage.calls.slice(before).filter(name => name !== 'pull' && name !== 'beat')
  t.ok(calls.every(name => name === 'readKeys'), calls.join())
  t.ok(calls.length <= 1 + (performance.now() - startedAt) / 1000, `${calls.length} calls`)
  for (const kid of ['', '../../dev/null', '__proto__', ['a'], '\0']) await assertProblem(t, await fetch(`${url}/auth/logout`, { method: 'POST', headers: bearer(signForeign(own, claims, { ...header, kid })) }), 401, 'PTC_ERR_TOKEN_INVALID', JSON.stringify(kid))
  t.equal(await statusOf(app, token), 200)
})

t.test('extensions of a signature are refused, critical or not, known to libraries or not', async t => {
  const { app, token, header, claims } = await start(t)
  const own = app.portcullis.keys.current()
  const changes: Array<Record<string, unknown>> = [
    ...[[], ['x'], ['exp'], ['b64'], ['b64', 'b64'], ['kid'], ['alg'], ['crit'], ['http://openbanking.org.uk/iat'], [''], [1], null, 'exp', 'b64', {}, true].map(crit => ({ crit, b64: true, exp: 4_000_000_000, x: 1 })),
    ...[[], ['x'], ['exp'], null].map(crit => ({ crit })),
    { b64: false }, { b64: false, crit: ['b64'] }, { b64: true }, { zip: 'DEF' }, { cty: 'JWT' }, { cty: 'jwt' }, { enc: 'A256GCM' }, { epk: {} }, { p2c: 2 ** 31, p2s: 'a' }, { ppt: 'x' }, { svt: [] }, { nonce: 'n' }, { url: origin }, { exp: 1 }, { aud: 'orders' }, { '': 1 }, { zebra: null }
  ]
  const unencoded = (() => {
    const head = encode({ ...header, b64: false, crit: ['b64'] })
    const body = encode(claims)
    return `${head}.${body}.${sign('sha256', Buffer.concat([Buffer.from(`${head}.`), Buffer.from(body, 'base64url')]), { key: own.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
  })()

  await assertAllRefused(t, app, [...changes.map(change => [JSON.stringify(change), signForeign(own, claims, { ...header, ...change })] as const), ['an unencoded payload', unencoded]])

  t.equal(await statusOf(app, token), 200)
})

t.test('every other kind of token is refused, though the gateway itself has signed it', async t => {
  const { app, token, header, claims } = await start(t)
  const own = app.portcullis.keys.current()
  const events = { 'http://schemas.openid.net/event/backchannel-logout': {} }
  const kinds: Record<string, [typ: unknown, claims: object]> = {
    'ID token': ['JWT', { ...claims, nonce: 'n', at_hash: 'a' }],
    'ID token, typed': ['id+jwt', claims],
    'logout token': ['logout+jwt', { ...claims, events }],
    'security event': ['secevent+jwt', { ...claims, events }],
    'DPoP proof': ['dpop+jwt', { ...claims, htm: 'GET', htu: origin }],
    'status list': ['statuslist+jwt', { ...claims, status_list: { bits: 1, lst: 'AA' } }],
    'introspection answer': ['token-introspection+jwt', { ...claims, token_introspection: { active: true } }],
    'authorization request': ['oauth-authz-req+jwt', claims],
    'client authentication': ['client-authentication+jwt', claims],
    'refresh token': ['rt+jwt', claims],
    'minted token': ['at+jwt', { ...claims, aud: 'orders', client_id: undefined, epoch: undefined }],
    ...Object.fromEntries([undefined, null, '', 'JWT', 'jwt', 'JWS', 'JOSE', 'JOSE+JSON', 'at', 'at+jwt ', ' at+jwt', 'at+jwt;v=2', 'at+JWT2', 'application/at+jwt;', 'x/at+jwt', 'at\u212awt', ['at+jwt'], { at: 'jwt' }, 1, true].map(typ => [`typ ${JSON.stringify(typ)}`, [typ, claims] as [unknown, object]]))
  }

  await assertAllRefused(t, app, Object.entries(kinds).map(([what, [typ, claims]]) => [what, signForeign(own, claims, { ...header, typ })] as const))

  for (const typ of ['at+jwt', 'AT+JWT', 'At+Jwt']) t.equal(await statusOf(app, signForeign(own, claims, { ...header, typ })), 200, typ)
  t.equal(await statusOf(app, token), 200)
})

t.test('encrypted and nested tokens are refused unopened', async t => {
  const { app, url, orders, token, header, claims } = await start(t)
  const own = app.portcullis.keys.current()
  const encrypted = (header: object, key: Buffer, text: Buffer) => {
    const head = encode(header)
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(head))
    const sealed = Buffer.concat([cipher.update(text), cipher.final()])
    return [head, '', iv.toString('base64url'), sealed.toString('base64url'), cipher.getAuthTag().toString('base64url')].join('.')
  }
  const bomb = deflateRawSync(Buffer.alloc(3_000_000, ' '))
  const key = pbkdf2Sync('secret', 'salt', 1, 32, 'sha256')
  const tokens: Array<[string, string]> = [
    ['dir', encrypted({ alg: 'dir', enc: 'A256GCM' }, key, Buffer.from(JSON.stringify(claims)))],
    ['dir around a good token', encrypted({ alg: 'dir', enc: 'A256GCM', cty: 'JWT', typ: 'at+jwt', kid: header['kid'] }, key, Buffer.from(token))],
    ['a bomb', encrypted({ alg: 'dir', enc: 'A256GCM', zip: 'DEF' }, key, bomb)],
    ['endless key derivation', encrypted({ alg: 'PBES2-HS512+A256KW', enc: 'A256GCM', p2c: 2 ** 31 - 1, p2s: 'c2FsdA' }, key, Buffer.from('{}'))],
    ['a key on a curve', encrypted({ alg: 'ECDH-ES', enc: 'A256GCM', epk: own.publicJwk }, key, Buffer.from('{}'))],
    ['empty parts', '....'],
    ['a good token as claims', signForeign(own, JSON.stringify(token), header)],
    ['a good token as claims, nested', signForeign(own, token, { ...header, cty: 'JWT' })],
    ['claims in a member', signForeign(own, { jwt: token, claims }, header)]
  ]

  await assertAllRefused(t, app, tokens)
  for (const [what, token] of tokens) await assertProblem(t, await fetch(`${url}/orders`, { headers: bearer(token) }), 401, 'PTC_ERR_TOKEN_INVALID', what)

  t.equal(orders.requests.length, 0)
})
