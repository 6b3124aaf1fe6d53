import { ProviderUnavailableError } from '../../lib/errors.ts'
import { canonicalAlgorithm, hasGoodSignature, verificationAlgorithms, type TokenParts, type VerificationAlgorithm, type VerificationKey } from '../../lib/jwt/jws.ts'
import type { KeySource } from '../issuers/key-source.ts'
import { mayBeNew } from '../issuers/new-keys.ts'

/**
 * Returns why the signature of a token is not one of the keys; null if it is. Rejects with ProviderUnavailableError if the keys cannot be
 * read, or if the token may be signed with a key that is newer than the last time they were: a logout that was refused would not be repeated.
 */
export async function signatureFault (keys: KeySource, { header, claims, signingInput, signature }: TokenParts, nowMs: number): Promise<string | null> {
  if (header['crit'] !== undefined) return 'with an extension that is not known (crit)'
  const algorithm = canonicalAlgorithm(header['alg']) as VerificationAlgorithm
  // No new key of the provider could verify it.
  if (!verificationAlgorithms.includes(algorithm)) return 'with an algorithm that is not supported'
  const kid = typeof header['kid'] === 'string' ? header['kid'] : null
  const isRight = (key: VerificationKey | null): boolean => key !== null && key.algorithm === algorithm && hasGoodSignature(key, signingInput, signature)
  const known = keys.current()?.find(kid, algorithm) ?? null
  if (isRight(known)) return null
  // The provider may have new keys, under new ids or not.
  const isLastWord = await keys.lookAgain()
  const read = keys.current()?.find(kid, algorithm) ?? null
  if (read !== known && isRight(read)) return null
  if (read === null && !isLastWord) throw unavailable('the keys cannot be read', keys)
  if ((read === null || kid === null) && mayBeNew({ kid, algorithm }, claims, keys, nowMs)) throw unavailable('the key may be newer than the last ones that were read', keys)
  return read === null ? 'of a key that the provider does not publish' : 'with a wrong signature'
}

function unavailable (reason: string, { retryAfterMs }: KeySource): Error {
  return Object.assign(new ProviderUnavailableError({ cause: new Error(reason) }), { headers: { 'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1000))) } })
}
