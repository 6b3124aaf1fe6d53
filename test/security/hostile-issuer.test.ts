import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { checkConfig } from '../../config/load.ts'
import { buildGateway } from '../../gateway/gateway.ts'
import type { ConfigInput } from '../../config/schema.ts'
import { bearer } from '../helpers/bearer.ts'
import { signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { foreignClaims, foreignKey, publish, signForeign, startKeyServer, type ForeignKey, type KeyServer } from '../helpers/foreign-issuer.ts'
import { assertProblem } from '../helpers/problem.ts'
import { startRawUpstream } from '../helpers/upstream.ts'

/*
 * The keys of another issuer come from a server that may have been taken over, or from a file that somebody made in a hurry. It
 * publishes keys that anybody can factor, shared and private ones, two of one name; it sends the gateway on to another machine, or
 * answers without end. And whoever holds no key at all makes the gateway ask it again and again, by naming keys that nobody has.
 */

interface KeyPair { publicKey: KeyObject, privateKey: KeyObject }

const idp = 'https://idp.example.com'
const good = foreignKey('good')
const base: ConfigInput = { origin: 'https://app.example.com', store: { type: 'sqlite', path: ':memory:' }, identity: async () => null, log: { level: 'silent' }, upstreams: [] }

async function start (t: Test, server: KeyServer, changes: Partial<NonNullable<ConfigInput['issuers']>[number]> = {}): Promise<TestGateway> {
  return await startGateway(t, { issuers: [{ name: 'idp', issuer: idp, jwksUri: `${server.url}/jwks`, algorithms: ['ES256', 'RS256'], scopes: ['orders:read'], ...changes }] })
}

async function ask ({ url }: TestGateway, key: Pick<ForeignKey, 'kid' | 'algorithm' | 'privateKey'>, header?: object): Promise<Response> {
  return await fetch(`${url}/orders`, { headers: bearer(signForeign(key, foreignClaims(idp), header)) })
}

t.test('of what an issuer publishes only sound public keys with one meaning verify anything', async t => {
  const ec = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const [short, twice, twin, leaked, unnamed, curve] = [generateKeyPairSync('rsa', { modulusLength: 1024 }), ec(), ec(), ec(), ec(), generateKeyPairSync('ec', { namedCurve: 'secp256k1' })]
  const rsa = foreignKey('exponent one', 'RS256')
  const pub = ({ publicKey }: KeyPair, members: object) => ({ jwk: { ...publicKey.export({ format: 'jwk' }), use: 'sig', ...members } })
  const server = await startKeyServer(t, [])
  server.answer = publish([
    pub(short, { kid: 'short', alg: 'RS256' }),
    pub(twice, { kid: 'twice', alg: 'ES256' }), pub(twin, { kid: 'twice', alg: 'ES256' }),
    { jwk: { ...leaked.privateKey.export({ format: 'jwk' }), kid: 'leaked', alg: 'ES256', use: 'sig' } },
    { jwk: { kty: 'oct', k: Buffer.from('secret').toString('base64url'), kid: 'shared', alg: 'HS256' } },
    { jwk: { ...rsa.jwk, e: 'AQ' } },
    pub(curve, { kid: 'curve', alg: 'ES256' }),
    pub(ec(), { kid: 'encrypts', alg: 'ES256', use: 'enc' }),
    pub(unnamed, { alg: 'ES256' }),
    good
  ])
  const gateway = await start(t, server)
  t.equal((await ask(gateway, good)).status, 200)

  const signers: Array<[kid: string | undefined, algorithm: 'RS256' | 'ES256', pair: KeyPair]> = [
    ['short', 'RS256', short], ['twice', 'ES256', twice], ['twice', 'ES256', twin], ['leaked', 'ES256', leaked], ['exponent one', 'RS256', rsa], ['curve', 'ES256', curve], [undefined, 'ES256', unnamed], ['', 'ES256', unnamed]
  ]
  for (const [kid, algorithm, { privateKey }] of signers) {
    await assertProblem(t, await ask(gateway, { kid: kid ?? '', algorithm, privateKey }, { alg: algorithm, typ: 'at+jwt', kid }), 401, 'PTC_ERR_TOKEN_INVALID', String(kid))
  }
  t.equal(gateway.orders.requests.length, 1)
})

t.test('a key server cannot send the gateway anywhere else, nor leave anything with it', async t => {
  const elsewhere = await startRawUpstream(t, socket => { socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}') })
  for (const status of [301, 302, 303, 307, 308]) {
    const server = await startKeyServer(t, [])
    server.answer = (_request, response) => { response.writeHead(status, { location: `${elsewhere.url}/jwks`, refresh: `0; url=${elsewhere.url}`, link: `<${elsewhere.url}>; rel=preload`, 'alt-svc': `h2="${elsewhere.url.slice(7)}"`, 'set-cookie': 'a=b' }).end() }
    const gateway = await start(t, server)
    await assertProblem(t, await ask(gateway, good), 503, 'PTC_ERR_ISSUER_UNAVAILABLE', `${status}`)
    t.ok(server.requests.every(({ method, url, headers }) => method === 'GET' && url === '/jwks' && headers.cookie === undefined && headers.authorization === undefined))
  }
  t.equal(elsewhere.connections.length, 0)
})

t.test('an answer that is small on the wire and huge unpacked is not unpacked', async t => {
  const server = await startKeyServer(t, [])
  const packed = gzipSync(Buffer.from(`{"keys":[${JSON.stringify(good.jwk)}],"x":"${' '.repeat(50_000_000)}"}`))
  t.ok(packed.length < 100_000)
  server.answer = (_request, response) => { response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': packed.length }).end(packed) }
  const gateway = await start(t, server)

  await assertProblem(t, await ask(gateway, good), 503, 'PTC_ERR_ISSUER_UNAVAILABLE')

  t.notMatch(server.requests[0]?.headers['accept-encoding'], /gzip|deflate|br/)
})

t.test('naming two thousand keys that nobody has makes the issuer no work, and keeps nobody out', async t => {
  const server = await startKeyServer(t, [good])
  const gateway = await start(t, server)
  const { token } = await signInForTokens(gateway.url)
  t.equal((await ask(gateway, good)).status, 200)
  const before = server.requests.length
  const statuses = new Map<number, number>()

  for (let round = 0; round < 20; round++) {
    await Promise.all(Array.from({ length: 100 }, async (_, index) => {
      const response = await ask(gateway, good, { alg: 'ES256', typ: 'at+jwt', kid: `${round}-${index}` })
      await response.arrayBuffer()
      statuses.set(response.status, (statuses.get(response.status) ?? 0) + 1)
    }))
    t.equal((await ask(gateway, good)).status, 200)
    t.equal((await fetch(`${gateway.url}/orders`, { headers: bearer(token) })).status, 200)
  }

  t.same([...statuses], [[503, 2000]], 'the keys may be new')
  t.equal(server.requests.length, before, 'not once within the cool-down of thirty seconds')
})

t.test('a file without one sound key starts nothing, and the error says why without quoting it', async t => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' })
  const rsa = foreignKey('k1', 'RS256').jwk
  const product = (3n ** 1300n << 1n | 1n).toString(16)
  const even = Buffer.from(String(rsa['n']), 'base64url')
  even[even.length - 1]! &= 254
  const files: Record<string, [keys: unknown, why: RegExp]> = {
    'RSA of 1024 bits': [[{ ...weak, kid: 'k1', alg: 'RS256' }], /is weak/],
    'exponent 1': [[{ ...rsa, e: 'AQ' }], /is weak/],
    'exponent 2': [[{ ...rsa, e: 'Ag' }], /is weak/],
    'an even modulus': [[{ ...rsa, n: even.toString('base64url') }], /is weak/],
    'a modulus with a small factor': [[{ ...rsa, n: Buffer.from(product.padStart(product.length + product.length % 2, '0'), 'hex').toString('base64url') }], /is weak/],
    'a point that is on no curve': [[{ ...good.jwk, y: good.jwk['x'] }], /is malformed/],
    'a curve that is not configured': [[generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey.export({ format: 'jwk' })], /has no algorithm of those that are configured/],
    'a private key': [[{ ...foreignKey('k1').privateKey.export({ format: 'jwk' }), kid: 'k1' }], /has private members/],
    'a shared secret': [[{ kty: 'oct', k: 'c2VjcmV0', kid: 'k1', alg: 'HS256' }], /has private members/],
    'two of one name': [[foreignKey('k1').jwk, foreignKey('k1').jwk], /different ones have the same kid/],
    'no keys': [[], /has no key that can be used/],
    'keys that are no list': [{ k1: good.jwk }, /holds no JWK set/]
  }
  for (const [what, [keys, why]] of Object.entries(files)) {
    const folder = t.testdir({ 'keys.json': JSON.stringify({ keys }) })
    const error = await buildGateway({ ...base, issuers: [{ name: 'idp', issuer: idp, jwks: join(folder, 'keys.json'), algorithms: ['RS256', 'ES256'] }] }).then(() => null, (error: unknown) => error as Error)
    t.match(error, { code: 'PTC_ERR_CONFIG_INVALID', message: why }, what)
    t.notMatch(error?.message, /AQAB|c2VjcmV0|"n"|"x"/, what)
  }
})

t.test('keys travel over TLS or not at all, and never with a password in their address', async t => {
  for (const jwksUri of ['http://idp.example.com/jwks', 'http://127.0.0.1.evil.example/jwks', 'http://localhost.evil.example/', 'http://[::1]:1/jwks', 'ftp://127.0.0.1/', 'file:///etc/keys.json', 'data:,{}', '//idp.example.com/jwks', 'https://user:zebra@idp.example.com/jwks', 'https://zebra@idp.example.com/', 'https://idp.example.com/#zebra', '']) {
    const config = { ...base, issuers: [{ name: 'idp', issuer: idp, jwksUri, algorithms: ['RS256'] }] }
    t.throws(() => checkConfig(config, { directory: '.', env: {} }), { code: 'PTC_ERR_CONFIG_INVALID', message: /^issuers\[0\]\.jwksUri: (?!.*zebra)/ }, jwksUri)
  }
})
