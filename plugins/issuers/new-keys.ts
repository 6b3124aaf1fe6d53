import { clockToleranceSeconds } from '../../lib/jwt/claims.ts'
import type { KeySet } from '../../lib/jwt/jwks.ts'
import type { TokenParts, VerificationAlgorithm } from '../../lib/jwt/jws.ts'
import type { KeySource } from './key-source.ts'

/**
 * Time that a published key may take to reach the gateway, besides the `Age` of an answer: not every cache in front of the keys states
 * the age, and clocks differ.
 */
const publicationSeconds = 30

/** Names the key that a token claims to be signed with. */
export interface KeyName { kid: string | null, algorithm: VerificationAlgorithm }

/**
 * Returns whether a key that the keys do not contain may have signed the token: the keys were read before the token was issued, according
 * to its `iat`. An issuer publishes a key before that key signs, under a new `kid`, a reused one, or none. A forged token may claim the
 * same, but only until the keys have been read after its `iat`.
 */
export function mayBeNew (name: KeyName, { iat }: TokenParts['claims'], keys: KeySource, nowMs: number): boolean {
  if (typeof iat !== 'number' || iat > nowMs / 1000 + clockToleranceSeconds || (iat + publicationSeconds) * 1000 < keys.readAtMs) return false
  return !isSettled(name, keys.current())
}

/** Returns whether the issuer publishes what the token names, but the gateway uses none of it: another signature would not help. */
function isSettled ({ kid, algorithm }: KeyName, set: KeySet | null): boolean {
  if (set === null) return false
  if (kid !== null) return set.names(kid) && !set.keys.some(key => key.kid === kid)
  return set.keys.filter(key => key.algorithm === algorithm).length > 1
}
