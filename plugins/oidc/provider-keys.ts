import { ProviderUnavailableError } from '../../lib/errors.ts'
import { canonicalAlgorithm, hasGoodSignature, verificationAlgorithms, type TokenParts, type VerificationAlgorithm, type VerificationKey } from '../../lib/jwt/jws.ts'
import type { KeySource } from '../issuers/key-source.ts'
import { mayBeNew, type KeyName } from '../issuers/new-keys.ts'

/**
 * Returns why the signature of a token is not one of the keys; null if it is. Rejects with ProviderUnavailableError if the keys cannot be
 * read, or if the token may be signed with a key that is newer than the last time they were: a logout that was refused would not be repeated.
 */
export async function signatureFault (keys: KeySource, parts: TokenParts, nowMs: number): Promise<string | null> {
  const { header } = parts
  if (header['crit'] !== undefined) return 'with an extension that is not known (crit)'
  const algorithm = canonicalAlgorithm(header['alg']) as VerificationAlgorithm
  // No new key of the provider could verify it.
  if (!verificationAlgorithms.includes(algorithm)) return 'with an algorithm that is not supported'
  const name = { kid: typeof header['kid'] === 'string' ? header['kid'] : null, algorithm }
  const known = findKey(keys, name)
  if (isSignedBy(known, parts, algorithm)) return null
  // The provider may have new keys, under new ids or not.
  const isLastWord = await keys.lookAgain()
  const read = findKey(keys, name)
  if (read !== known && isSignedBy(read, parts, algorithm)) return null
  if (read === null && !isLastWord) throw unavailable('the keys cannot be read', keys)
  if ((read === null || name.kid === null) && mayBeNew(name, parts.claims, keys, nowMs)) throw unavailable('the key may be newer than the last ones that were read', keys)
  return read === null ? 'of a key that the provider does not publish' : 'with a wrong signature'
}

function findKey (keys: KeySource, { kid, algorithm }: KeyName): VerificationKey | null {
  return keys.current()?.find(kid, algorithm) ?? null
}

function isSignedBy (key: VerificationKey | null, { signingInput, signature }: TokenParts, algorithm: VerificationAlgorithm): boolean {
  return key !== null && key.algorithm === algorithm && hasGoodSignature(key, signingInput, signature)
}

function unavailable (reason: string, { retryAfterMs }: KeySource): Error {
  return Object.assign(new ProviderUnavailableError({ cause: new Error(reason) }), { headers: { 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1000))) } })
}
