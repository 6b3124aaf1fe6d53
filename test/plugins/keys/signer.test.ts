import t, { type Test } from 'tap'
import type { AccessTokenClaims } from '../../../lib/jwt/claims.ts'
import { generateKey, importKey, type SigningAlgorithm, type SigningKey } from '../../../lib/jwt/signing-key.ts'
import { hasGoodSignature, parseToken } from '../../../lib/jwt/jws.ts'
import { TokenSigner } from '../../../plugins/keys/signer.ts'

const claims: AccessTokenClaims = {
  iss: 'https://app.example.com', sub: 'ada', aud: ['orders'], exp: 1_900_000_000, iat: 1_800_000_000, jti: 'one', sid: 'a', auth_time: 1_800_000_000, acr: '1', amr: ['pwd'], scope: '', client_id: 'portcullis', epoch: 1
}

function createKey (algorithm: SigningAlgorithm = 'ES256'): SigningKey {
  return importKey(generateKey(algorithm), algorithm, { createdAtMs: 0, signsFromMs: 0 })
}

function assertSigned (t: Test, token: string, key: SigningKey): void {
  const { header, claims: signed, signingInput, signature } = parseToken(token)!
  t.same(header, { alg: key.algorithm, typ: 'at+jwt', kid: key.kid })
  t.same(signed, claims)
  t.ok(hasGoodSignature(key, signingInput, signature))
}

for (const algorithm of ['ES256', 'EdDSA', 'RS256'] as const) {
  t.test(`a new ${algorithm} key signs at once, and the one before it again`, async t => {
    const [before, next] = [createKey(), createKey(algorithm)]
    const keys = { key: before, current: () => keys.key }
    const signer = new TokenSigner(keys)

    for (const key of [before, next, next, before]) {
      keys.key = key
      assertSigned(t, signer.sign(claims), key)
    }
  })
}

t.test('a key that cannot sign signs nothing, and the next one does', async t => {
  const key = createKey()
  const keys = { key: { ...key, kid: 'broken', privateKey: key.publicKey }, current: () => keys.key }
  const signer = new TokenSigner(keys)

  t.throws(() => signer.sign(claims))
  keys.key = key
  assertSigned(t, signer.sign(claims), key)
})
