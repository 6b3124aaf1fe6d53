import { RecencyCache } from '../../lib/cache.ts'
import { IssuerUnavailableError, TokenInvalidError } from '../../lib/errors.ts'
import { identityOfForeign, keyNameOfForeign, type ForeignTokenRules } from '../../lib/jwt/foreign-token.ts'
import type { Identity } from '../../lib/identity.ts'
import { canonicalAlgorithm, hasGoodSignature, type VerificationKey, type TokenParts } from '../../lib/jwt/jws.ts'
import type { KeySource } from './key-source.ts'
import { mayBeNew, type KeyName } from './new-keys.ts'

export interface Issuer extends ForeignTokenRules {
  keys: KeySource
}

interface Verified { identity: Identity, key: VerificationKey, keys: KeySource }

/** Verifies the tokens of other issuers, each only with the keys of its issuer. */
export class ForeignTokens {
  readonly #issuers: ReadonlyMap<string, Issuer>
  readonly #verified: RecencyCache<Verified>

  readonly #now: () => number

  constructor (issuers: readonly Issuer[], { cacheSize, now }: { cacheSize: number, now: () => number }) {
    this.#issuers = new Map(issuers.map(issuer => [issuer.issuer, issuer]))
    this.#verified = new RecencyCache(cacheSize)
    this.#now = now
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
    return (key === null ? null : this.#verifyWith(key, token, parts, issuer)) ?? this.#verifyLater(token, parts, issuer, { ...name, tried: key })
  }

  /** Verifies a token that none of the current keys fits, after reading the keys again. */
  async #verifyLater (token: string, parts: TokenParts, issuer: Issuer, name: KeyName & { tried: VerificationKey | null }): Promise<Identity> {
    // No key makes these claims valid, so the keys are not read for them.
    const { expiresAt } = identityIn(parts, issuer, this.#now())
    if (expiresAt * 1000 <= this.#now()) throw refused('expired')
    const isLastWord = await issuer.keys.lookAgain()
    const key = issuer.keys.current()?.find(name.kid, name.algorithm) ?? null
    const identity = key === null || key === name.tried ? null : this.#verifyWith(key, token, parts, issuer)
    if (identity !== null) return identity
    // The key may be published where it cannot be read now, or not before the next fetch, so a key that does not fit does not prove the
    // token invalid.
    if ((key === null && !isLastWord) || mayBeNew(name, parts.claims, issuer.keys, this.#now())) throw unavailable(issuer.keys.retryAfterMs)
    throw refused(key === null ? 'unknown key' : 'wrong signature')
  }

  /** Returns the identity of a token, or null if this key did not sign it. */
  #verifyWith (key: VerificationKey, token: string, parts: TokenParts, issuer: Issuer): Identity | null {
    if (canonicalAlgorithm(parts.header['alg']) !== key.algorithm) throw refused('not the algorithm of its key')
    if (!hasGoodSignature(key, parts.signingInput, parts.signature)) return null
    const identity = identityIn(parts, issuer, this.#now())
    this.#verified.set(token, { identity, key, keys: issuer.keys })
    return identity
  }
}

function identityIn ({ claims }: TokenParts, issuer: Issuer, nowMs: number): Identity {
  const identity = identityOfForeign(claims, issuer, nowMs / 1000)
  if (typeof identity === 'string') throw refused(identity)
  return identity
}

function unavailable (retryAfterMs: number): Error {
  return Object.assign(new IssuerUnavailableError(), { headers: { 'retry-after': Math.max(1, Math.ceil(retryAfterMs / 1000)) } })
}

/** Returns the error of an invalid token. The client does not receive the precise reason. */
function refused (reason: string): Error {
  return new TokenInvalidError({ cause: new Error(reason) })
}
