import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto'
import { hasWeakModulus } from './rsa-modulus.ts'
import { canonicalAlgorithm, type VerificationAlgorithm, type VerificationKey, parseObject } from './jws.ts'

const maxKeys = 100
/** Maximum nesting depth of a JWK set. */
const maxDepth = 8
const privateMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

const families: Record<string, readonly VerificationAlgorithm[]> = {
  RSA: ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  'P-256': ['ES256'],
  'P-384': ['ES384'],
  'P-521': ['ES512'],
  Ed25519: ['EdDSA']
}

interface PublishedKey extends VerificationKey {
  /** Key id; null if the set does not name the key. */
  kid: string | null
}

/** The usable keys of an issuer's JWK set. */
export interface KeySet {
  /** Returns the key of this algorithm that a token's `kid` names; without a `kid`, the only key of that algorithm. */
  find (kid: string | null, algorithm: VerificationAlgorithm): VerificationKey | null
  has (key: VerificationKey): boolean
  /** Returns whether the set has a key of this `kid`, used or refused. */
  names (kid: string): boolean
  readonly keys: readonly PublishedKey[]
  /** Reasons why the other keys are not used. A reason names the key by its position and repeats none of its content. */
  readonly refused: readonly string[]
}

const byteOrderMark = Buffer.from('\uFEFF')

/** Parses the bytes of a file or of a response as a JWK set (see `createKeySet`). A byte order mark at the beginning is ignored (RFC 8259). */
export function parseKeySet (bytes: Uint8Array, algorithms: readonly VerificationAlgorithm[], before?: readonly PublishedKey[]): KeySet | null {
  const isMarked = byteOrderMark.equals(bytes.subarray(0, byteOrderMark.length))
  return createKeySet(parseObject(isMarked ? bytes.subarray(byteOrderMark.length) : bytes, maxDepth), algorithms, before)
}

/**
 * Returns the public keys of a JWK set (RFC 7517), each for one algorithm. Weak, private and ambiguous keys are left out. A key that was in
 * `before` stays the same object, so that results of its verifications can be cached. Returns null if the value is not a JWK set.
 */
export function createKeySet (set: Record<string, unknown> | null, algorithms: readonly VerificationAlgorithm[], before: readonly PublishedKey[] = []): KeySet | null {
  const published: unknown = set?.['keys']
  if (!Array.isArray(published) || published.length > maxKeys) return null
  const refused: string[] = []
  const imported: PublishedKey[] = []
  for (const [index, jwk] of published.entries()) {
    const key = importKey(jwk, algorithms)
    if (typeof key === 'string') refused.push(`keys[${index}]: ${key}`)
    else if (!imported.some(other => isSame(other, key))) imported.push(before.find(other => isSame(other, key)) ?? key)
  }
  // RFC 7517, section 4.5: keys of different types may share a kid, and the algorithm distinguishes them.
  const keys = imported.filter(key => key.kid === null || !imported.some(other => other !== key && other.kid === key.kid && other.algorithm === key.algorithm))
  if (keys.length < imported.length) refused.push('keys: different ones have the same kid and algorithm')
  const inForce = new Set<VerificationKey>(keys)
  return {
    keys,
    refused,
    has: key => inForce.has(key),
    names: kid => published.some(jwk => (jwk as { kid?: unknown } | null)?.kid === kid),
    find (kid, algorithm) {
      if (kid !== null) return keys.find(key => key.kid === kid && key.algorithm === algorithm) ?? null
      const [only, another] = keys.filter(key => key.algorithm === algorithm)
      return another === undefined ? only ?? null : null
    }
  }
}

function isSame (one: PublishedKey, other: PublishedKey): boolean {
  return one.kid === other.kid && one.algorithm === other.algorithm && one.publicKey.equals(other.publicKey)
}

/** Imports a key, or returns the reason why it is not used. */
function importKey (jwk: unknown, algorithms: readonly VerificationAlgorithm[]): PublishedKey | string {
  if (typeof jwk !== 'object' || jwk === null || Array.isArray(jwk)) return 'is not a key'
  if (privateMembers.some(name => Object.hasOwn(jwk, name))) return 'has private members'
  const { kid = null, kty, crv, use, key_ops: operations, alg, ...numbers } = jwk as Record<string, unknown>
  if (!isKid(kid)) return 'has a kid that is no text of 1 to 256 characters'
  if (!isForVerifying(use, operations)) return 'is not for verifying signatures'
  const family = families[String(kty === 'RSA' ? kty : crv)] ?? []
  const [algorithm, another] = algorithms.filter(name => family.includes(name) && (alg === undefined || canonicalAlgorithm(alg) === name))
  if (algorithm === undefined) return 'has no algorithm of those that are configured'
  if (another !== undefined) return 'says no alg, and more than one of those that are configured fits'
  const publicKey = toKeyObject({ ...numbers, kty, crv })
  if (publicKey === null) return 'is malformed'
  return kty === 'RSA' && isWeak(publicKey) ? 'is weak' : { kid, algorithm, publicKey }
}

function isKid (kid: unknown): kid is string | null {
  return kid === null || (typeof kid === 'string' && kid !== '' && kid.length <= 256)
}

function isForVerifying (use: unknown, operations: unknown): boolean {
  return (use === undefined || use === 'sig') && (operations === undefined || (Array.isArray(operations) && operations.includes('verify')))
}

function toKeyObject ({ kty, crv, n, e, x, y }: Record<string, unknown>): KeyObject | null {
  try {
    const members = kty === 'RSA' ? { kty, n, e } : kty === 'EC' ? { kty, crv, x, y } : { kty, crv, x }
    return createPublicKey({ key: members as webcrypto.JsonWebKey, format: 'jwk' })
  } catch {
    return null
  }
}

function isWeak (key: KeyObject): boolean {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  // The verification of one signature takes too long above 8192 bits.
  if (modulusLength < 2048 || modulusLength > 8192) return true
  if (publicExponent < 3n || publicExponent % 2n === 0n || publicExponent >= 2n ** 64n) return true
  return hasWeakModulus(BigInt(`0x${Buffer.from(key.export({ format: 'jwk' }).n ?? '', 'base64url').toString('hex')}`))
}
