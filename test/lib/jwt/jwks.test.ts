import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import { createKeySet, parseKeySet } from '../../../lib/jwt/jwks.ts'
import { verificationAlgorithms } from '../../../lib/jwt/jws.ts'
import { foreignKey } from '../../helpers/foreign-issuer.ts'

const { jwk: ec } = foreignKey('k1')
const { jwk: rsa } = foreignKey('k1', 'RS256')

function refusedOf (jwk: unknown, algorithms = verificationAlgorithms): readonly string[] {
  const set = createKeySet({ keys: [jwk] }, algorithms)
  t.equal(set?.keys.length, 0, JSON.stringify(jwk))
  return set?.refused ?? []
}

t.test('every algorithm has keys', async t => {
  const keys = verificationAlgorithms.map(algorithm => foreignKey(algorithm, algorithm))
  const set = createKeySet({ keys: keys.map(({ jwk }) => jwk) }, verificationAlgorithms)

  t.same(set?.refused, [])
  for (const algorithm of verificationAlgorithms) t.equal(set?.find(algorithm, algorithm)?.algorithm, algorithm)
  t.equal(set?.find('other', 'ES256'), null)
  t.equal(set?.find('ES256', 'ES384'), null)
})

t.test('keys that are not meant for this, or not well made, are not used', async t => {
  const privateJwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' })
  const refused: Array<[jwk: unknown, reason: string]> = [
    [null, 'is not a key'],
    ['key', 'is not a key'],
    [[], 'is not a key'],
    [{}, 'has no algorithm of those that are configured'],
    [{ kty: 'oct', k: 'AAAA', kid: 'k1' }, 'has private members'],
    [{ ...privateJwk, kid: 'k1' }, 'has private members'],
    [{ ...rsa, d: 'AQAB' }, 'has private members'],
    [{ ...ec, use: 'enc' }, 'is not for verifying signatures'],
    [{ ...ec, key_ops: ['sign'] }, 'is not for verifying signatures'],
    [{ ...ec, kid: '' }, 'has a kid that is no text of 1 to 256 characters'],
    [{ ...ec, kid: ['k1'] }, 'has a kid that is no text of 1 to 256 characters'],
    [{ ...ec, alg: 'ES384' }, 'has no algorithm of those that are configured'],
    [{ ...ec, alg: 'HS256' }, 'has no algorithm of those that are configured'],
    [{ ...ec, alg: 'none' }, 'has no algorithm of those that are configured'],
    [{ ...ec, alg: null }, 'has no algorithm of those that are configured'],
    [{ ...ec, crv: 'secp256k1', alg: 'ES256K' }, 'has no algorithm of those that are configured'],
    [{ ...ec, x: 'AAAA' }, 'is malformed'],
    [{ ...ec, x: ec['y'], y: ec['x'] }, 'is malformed'],
    [{ ...ec, kty: 'oct' }, 'is malformed'],
    [{ ...ec, kty: 'OKP' }, 'is malformed'],
    [{ ...rsa, n: 'AQAB' }, 'is weak'],
    [{ ...rsa, e: 'AQ' }, 'is weak'],
    [{ ...rsa, e: 'Ag' }, 'is weak'],
    [{ ...rsa, alg: undefined }, 'says no alg, and more than one of those that are configured fits']
  ]
  for (const [jwk, reason] of refused) t.same(refusedOf(jwk), [`keys[0]: ${reason}`], JSON.stringify(jwk))
  const { publicKey: short } = generateKeyPairSync('rsa', { modulusLength: 1024 })
  t.same(refusedOf({ ...short.export({ format: 'jwk' }), alg: 'RS256' }), ['keys[0]: is weak'])
})

t.test('a key that says no algorithm has the one that is configured for its kind', async t => {
  const { alg: _, ...jwk } = rsa
  t.equal(createKeySet({ keys: [jwk] }, ['PS256', 'ES256'])?.find('k1', 'PS256')?.algorithm, 'PS256')
})

t.test('keys of one kid and different algorithms are told apart by the algorithm', async t => {
  const set = createKeySet({ keys: [{ ...ec, kid: 'k' }, { ...rsa, kid: 'k' }] }, ['ES256', 'RS256', 'PS256'])
  t.same([set?.refused, set?.find('k', 'ES256')?.algorithm, set?.find('k', rsa.alg as 'RS256')?.algorithm], [[], 'ES256', rsa.alg])
  t.same([set?.find(null, 'ES256')?.algorithm, set?.find('k', 'ES512')], ['ES256', null])
})

t.test('Ed25519 and EdDSA name one algorithm of a key', async t => {
  const { jwk } = foreignKey('k', 'EdDSA')
  for (const alg of ['EdDSA', 'Ed25519', undefined]) t.equal(createKeySet({ keys: [{ ...jwk, alg }] }, ['EdDSA'])?.find('k', 'EdDSA')?.algorithm, 'EdDSA', String(alg))
  t.same(refusedOf({ ...jwk, alg: 'Ed448' }), ['keys[0]: has no algorithm of those that are configured'])
})

t.test('different keys of one kid are both left out, the same key twice is one', async t => {
  const other = foreignKey('k1').jwk
  const set = createKeySet({ keys: [ec, other, foreignKey('k2').jwk] }, ['ES256'])
  t.same([set?.find('k1', 'ES256'), set?.keys.length, set?.refused], [null, 1, ['keys: different ones have the same kid and algorithm']])
  t.equal(createKeySet({ keys: [ec, ec] }, ['ES256'])?.keys.length, 1)
})

t.test('a set with one key serves tokens that name none', async t => {
  t.equal(createKeySet({ keys: [{ ...ec, kid: undefined }] }, ['ES256'])?.find(null, 'ES256')?.algorithm, 'ES256')
  t.equal(createKeySet({ keys: [{ ...ec, kid: undefined }] }, ['ES256'])?.find('k1', 'ES256'), null)
})

t.test('a key that stays is the same object, one that changed is not', async t => {
  const before = createKeySet({ keys: [ec] }, ['ES256'])!
  const after = createKeySet({ keys: [foreignKey('k2').jwk, { ...ec }] }, ['ES256'], before.keys)!
  t.ok(after.has(before.keys[0]!))
  t.notOk(createKeySet({ keys: [foreignKey('k1').jwk] }, ['ES256'], before.keys)!.has(before.keys[0]!))
})

t.test('a byte order mark before a JWK set is ignored, once', async t => {
  const text = JSON.stringify({ keys: [ec] })
  t.equal(parseKeySet(Buffer.from(`\uFEFF${text}`), ['ES256'])?.keys.length, 1)
  t.equal(parseKeySet(Buffer.from(`\uFEFF\uFEFF${text}`), ['ES256']), null)
  t.equal(parseKeySet(Buffer.from([0xef, 0xbb]), ['ES256']), null)
})

t.test('what is no JWK set gives none', async t => {
  for (const set of [null, {}, { keys: {} }, { keys: null }, { keys: Array.from({ length: 101 }, () => ec) }]) t.equal(createKeySet(set, ['ES256']), null)
})
