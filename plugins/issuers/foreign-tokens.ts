import { RecencyCache } from '../../lib/cache.ts'
import { IssuerUnavailableError, TokenInvalidError } from '../../lib/errors.ts'
import { clockToleranceSeconds } from '../../lib/jwt/claims.ts'
import { identityOfForeign, keyNameOfForeign, type ForeignTokenRules } from '../../lib/jwt/foreign-token.ts'
import type { Identity } from '../../lib/identity.ts'
import { canonicalAlgorithm, hasGoodSignature, type VerificationAlgorithm, type VerificationKey } from '../../lib/jwt/jws-verify.ts'
import type { TokenParts } from '../../lib/jwt/token-format.ts'
import type { KeySource } from './key-source.ts'

export interface Issuer extends ForeignTokenRules {
  keys: KeySource
}

interface KeyName { kid: string | null, algorithm: VerificationAlgorithm }

interface Verified { identity: Identity, key: VerificationKey, keys: KeySource }

/** Verifies the tokens of other issuers, each only with the keys of its issuer. */
export class ForeignTokens {
  readonly #issuers: ReadonlyMap<string, Issuer>
  readonly #verified: RecencyCache<Verified>

  constructor (issuers: readonly Issuer[], cacheSize: number) {
    this.#issuers = new Map(issuers.map(issuer => [issuer.issuer, issuer]))
    this.#verified = new RecencyCache(cacheSize)
  }

  /** Returns the cached identity of a token, as long as the key that signed it is in force. The caller checks the expiry. */
  recall (token: string): Identity | undefined {
    const known = this.#verified.get(token)
    return known?.keys.current()?.has(known.key) === true ? known.identity : undefined
  }

  /** Verifies a token. `iss` only selects the keys until the signature is verified. The caller checks the expiry. */
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
    // The key may be published where it cannot be read now, or not before the next fetch, so an unknown key does not prove the token
    // invalid.
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

/**
 * Returns whether the keys were read before the token was issued, according to its `iat`, and do not have this name. An issuer publishes a
 * key before that key signs.
 */
function mayBeNew (kid: string, { iat }: TokenParts['claims'], keys: KeySource): boolean {
  return keys.current()?.names(kid) !== true && typeof iat === 'number' && iat <= Date.now() / 1000 + clockToleranceSeconds && (iat + clockToleranceSeconds) * 1000 >= keys.readAtMs
}

function unavailable (retryAfterMs: number): Error {
  return Object.assign(new IssuerUnavailableError(), { headers: { 'retry-after': Math.max(1, Math.ceil(retryAfterMs / 1000)) } })
}

/** Returns the error of an invalid token. The client does not receive the precise reason. */
function refused (reason: string): Error {
  return new TokenInvalidError({ cause: new Error(reason) })
}
