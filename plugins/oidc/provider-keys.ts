import { ProviderUnavailableError } from '../../lib/errors.ts'
import { canonicalAlgorithm, hasGoodSignature, verificationAlgorithms, type TokenParts, type VerificationAlgorithm, type VerificationKey } from '../../lib/jwt/jws.ts'
import type { KeySource } from '../issuers/key-source.ts'

/** Returns why the signature of a token is not one of the keys; null if it is. Rejects with ProviderUnavailableError if the keys cannot be read. */
export async function signatureFault (keys: KeySource, { header, signingInput, signature }: TokenParts): Promise<string | null> {
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
  if (!isLastWord && read === null) throw Object.assign(new ProviderUnavailableError({ cause: new Error('the keys cannot be read') }), { headers: { 'retry-after': String(Math.max(1, Math.ceil(keys.retryAfterMs / 1000))) } })
  return read === null ? 'of a key that the provider does not publish' : 'with a wrong signature'
}
