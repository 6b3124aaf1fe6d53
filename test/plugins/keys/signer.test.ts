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

/** The same key, whose text cannot be decoded any more: only who has kept it can sign with it. */
function undecodable (key: SigningKey): SigningKey {
  return { ...key, privatePem: 'no key' }
}

async function build (key: SigningKey) {
  const keys = { key, current: () => keys.key }
  const errors: unknown[] = []
  return { keys, errors, signer: await TokenSigner.create(keys, error => { errors.push(error) }) }
}

function assertSigned (t: Test, token: string, key: SigningKey): void {
  const { header, claims: signed, signingInput, signature } = parseToken(token)!
  t.same(header, { alg: key.algorithm, typ: 'at+jwt', kid: key.kid })
  t.same(signed, claims)
  t.ok(hasGoodSignature(key, signingInput, signature))
}

/** Turns of the event loop until a key that cannot be decoded any more signs; a hundred thousand at most. */
async function untilKept (signer: TokenSigner): Promise<string> {
  for (let turn = 0; ; turn++) {
    try {
      return signer.sign(claims)
    } catch (error) {
      if (turn > 100_000) throw error
      await new Promise(resolve => setImmediate(resolve))
    }
  }
}

t.test('a key is decoded once, not for each token', async t => {
  const key = createKey()
  const { keys, signer } = await build(key)

  keys.key = undecodable(key)

  assertSigned(t, signer.sign(claims), key)
})

for (const algorithm of ['ES256', 'EdDSA', 'RS256'] as const) {
  t.test(`a new ${algorithm} key signs at once, and is kept from then on`, async t => {
    const { keys, errors, signer } = await build(createKey())
    const next = createKey(algorithm)

    keys.key = next
    assertSigned(t, signer.sign(claims), next)
    keys.key = undecodable(next)
    assertSigned(t, await untilKept(signer), next)

    t.same(errors, [])
  })
}

t.test('of two new keys in one turn the later one is kept', async t => {
  const { keys, signer } = await build(createKey())
  const [skipped, next] = [createKey('RS256'), createKey()]

  keys.key = skipped
  assertSigned(t, signer.sign(claims), skipped)
  keys.key = next
  assertSigned(t, signer.sign(claims), next)
  keys.key = undecodable(next)

  assertSigned(t, await untilKept(signer), next)
})

t.test('a key that cannot be kept is told once', async t => {
  const { keys, errors, signer } = await build(createKey())

  keys.key = undecodable(createKey())
  t.throws(() => signer.sign(claims))
  t.throws(() => signer.sign(claims))
  await new Promise(resolve => setImmediate(resolve))

  t.equal(errors.length, 1)
})
