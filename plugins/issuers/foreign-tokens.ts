import { RecencyCache } from '../../lib/cache.ts'
import { IssuerUnavailableError, TokenInvalidError } from '../../lib/errors.ts'
import { clockToleranceSeconds } from '../../lib/jwt/claims.ts'
import { identityOfForeign, keyNameOfForeign, type ForeignTokenRules } from '../../lib/jwt/foreign-token.ts'
import type { Identity } from '../../lib/principal.ts'
import { canonicalAlgorithm, hasGoodSignature, type VerificationAlgorithm, type VerificationKey } from '../../lib/jwt/jws-verify.ts'
import type { TokenParts } from '../../lib/jwt/token-format.ts'
import type { KeySource } from './key-source.ts'

export interface Issuer extends ForeignTokenRules {
  keys: KeySource
}

interface KeyName { kid: string | null, algorithm: VerificationAlgorithm }

interface Verified { identity: Identity, key: VerificationKey, keys: KeySource }

/** Verifies the tokens of other issuers, each by that issuer's keys alone. */
export class ForeignTokens {
  readonly #issuers: ReadonlyMap<string, Issuer>
  readonly #verified: RecencyCache<Verified>

  constructor (issuers: readonly Issuer[], cacheSize: number) {
    this.#issuers = new Map(issuers.map(issuer => [issuer.issuer, issuer]))
    this.#verified = new RecencyCache(cacheSize)
  }

  /** What is remembered of a token, as long as the key that has signed it is in force. Its end is judged by the caller. */
  recall (token: string): Identity | undefined {
    const known = this.#verified.get(token)
    return known?.keys.current()?.has(known.key) === true ? known.identity : undefined
  }

  /** Until the signature is found good, `iss` only tells whose keys are tried. Its end is judged by the caller. */
  verify (token: string, parts: TokenParts): Identity | Promise<Identity> {
    const { iss } = parts.claims
    const issuer = typeof iss === 'string' ? this.#issuers.get(iss) : undefined
    if (issuer === undefined) throw refused('of no known issuer')
    const name = keyNameOfForeign(parts.header, issuer)
    if (typeof name === 'string') throw refused(name)
    const key = issuer.keys.current()?.find(name.kid, name.algorithm) ?? null
    return key === null ? this.#verifyLater(token, parts, issuer, name) : this.#verifyWith(key, token, parts, issuer)
  }

  async #verifyLater (token: string, parts: TokenParts, issuer: Issuer, { kid, algorithm }: KeyName): Promise<Identity> {
    const isLastWord = await issuer.keys.lookAgain()
    const key = issuer.keys.current()?.find(kid, algorithm) ?? null
    if (key !== null) return this.#verifyWith(key, token, parts, issuer)
    // The key may be published where it cannot be read now, or not until the next time: an unknown key is not a bad one.
    if (!isLastWord || (kid !== null && mayBeNew(kid, parts.claims, issuer.keys))) throw unavailable(issuer.keys.retryAfterMs)
    throw refused('unknown key')
  }

  #verifyWith (key: VerificationKey, token: string, { header, claims, signingInput, signature }: TokenParts, issuer: Issuer): Identity {
    if (canonicalAlgorithm(header['alg']) !== key.algorithm) throw refused('not the algorithm of its key')
    if (!hasGoodSignature(key, signingInput, signature)) throw refused('wrong signature')
    const identity = identityOfForeign(claims, issuer, Date.now() / 1000)
    if (typeof identity === 'string') throw refused(identity)
    this.#verified.set(token, { identity, key, keys: issuer.keys })
    return identity
  }
}

/** Whether the keys were read before the token was issued, by its own word, and do not have this name: an issuer publishes a key before that signs. */
function mayBeNew (kid: string, { iat }: TokenParts['claims'], keys: KeySource): boolean {
  return keys.current()?.names(kid) !== true && typeof iat === 'number' && iat <= Date.now() / 1000 + clockToleranceSeconds && (iat + clockToleranceSeconds) * 1000 >= keys.readAtMs
}

function unavailable (retryAfterMs: number): Error {
  return Object.assign(new IssuerUnavailableError(), { headers: { 'retry-after': Math.max(1, Math.ceil(retryAfterMs / 1000)) } })
}

/** The precise reason stays inside. */
function refused (reason: string): Error {
  return new TokenInvalidError({ cause: new Error(reason) })
}
