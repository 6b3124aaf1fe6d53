import { createPublicKey } from 'node:crypto'
import t from 'tap'
import { generateKey, importKey, signToken, type SigningAlgorithm, type SigningKey } from '../../../lib/jwt/jws.ts'
import { hasGoodSignature } from '../../../lib/jwt/jws-verify.ts'

const keys = Object.fromEntries((['ES256', 'EdDSA', 'RS256'] as const).map(algorithm => [algorithm, importKey(generateKey(algorithm), algorithm, { createdAtMs: 0, signsFromMs: 0 })])) as Record<SigningAlgorithm, SigningKey>

function split (token: string): { input: string, signature: Buffer } {
  const at = token.lastIndexOf('.')
  return { input: token.slice(0, at), signature: Buffer.from(token.slice(at + 1), 'base64url') }
}

for (const key of Object.values(keys)) {
  t.test(`${key.algorithm}: what was signed verifies, and nothing that was changed does`, async t => {
    const token = signToken(key, 'at+jwt', { sub: 'ada' })
    const { input, signature } = split(token)
    const [header = ''] = token.split('.')

    t.same(JSON.parse(Buffer.from(header, 'base64url').toString()), { alg: key.algorithm, typ: 'at+jwt', kid: key.kid })
    t.ok(hasGoodSignature(key, input, signature))
    t.notOk(hasGoodSignature(key, `${input}x`, signature))
    for (const at of [0, signature.length >> 1, signature.length - 1]) {
      const changed = Buffer.from(signature)
      changed[at] = (changed[at] ?? 0) ^ 1
      t.notOk(hasGoodSignature(key, input, changed))
    }
    for (const wrong of [Buffer.alloc(0), Buffer.alloc(1), Buffer.alloc(signature.length), signature.subarray(1), Buffer.concat([signature, Buffer.alloc(1)])]) t.notOk(hasGoodSignature(key, input, wrong), String(wrong.length))
  })

  t.test(`${key.algorithm}: the signature of another key, or algorithm, is no good`, async t => {
    const other = importKey(generateKey(key.algorithm), key.algorithm, { createdAtMs: 0, signsFromMs: 0 })
    const { input, signature } = split(signToken(other, 'at+jwt', {}))
    t.notOk(hasGoodSignature(key, input, signature))
    for (const foreign of Object.values(keys)) if (foreign !== key) t.notOk(hasGoodSignature(key, input, split(signToken(foreign, 'at+jwt', {})).signature))
  })

  t.test(`${key.algorithm}: the published key has no private member and is named by its thumbprint`, async t => {
    const { kid, use, alg, ...members } = key.publicJwk
    t.equal(kid, key.kid)
    t.match({ use, alg }, { use: 'sig', alg: key.algorithm })
    for (const name of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k', 'oth']) t.notOk(name in members, name)
    t.ok(createPublicKey({ key: members, format: 'jwk' }).equals(key.publicKey))
    t.equal(importKey(key.privateKey.export({ format: 'jwk' }), key.algorithm, { createdAtMs: 0, signsFromMs: 0 }).kid, kid)
  })
}

t.test('thumbprints are those of RFC 7638', async t => {
  const jwk = {
    kty: 'OKP', crv: 'Ed25519', d: 'nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo'
  }
  // RFC 8037, appendix A.3.
  t.equal(importKey(jwk, 'EdDSA', { createdAtMs: 0, signsFromMs: 0 }).kid, 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
})
