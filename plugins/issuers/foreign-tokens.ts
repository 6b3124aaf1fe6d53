import { RecencyCache } from '../../lib/cache.ts'
import { IssuerUnavailableError, TokenInvalidError } from '../../lib/errors.ts'
import { identityOfForeign, kidOfForeign, type ForeignTokenRules } from '../../lib/foreign-token.ts'
import type { Identity } from '../../lib/identity.ts'
import { hasGoodSignature, type VerificationKey } from '../../lib/jws-verify.ts'
import type { TokenParts } from '../../lib/token-format.ts'
import type { KeySource } from './key-source.ts'

export interface Issuer extends ForeignTokenRules {
  keys: KeySource
}

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
    const kid = kidOfForeign(parts.header, issuer)
    if (kid === false) throw refused('typ, alg, kid or another parameter of its header is not that of this issuer\'s access tokens')
    const key = issuer.keys.current()?.find(kid) ?? null
    return key === null ? this.#verifyLater(token, parts, { issuer, kid }) : this.#verifyWith(key, token, parts, issuer)
  }

  async #verifyLater (token: string, parts: TokenParts, { issuer, kid }: { issuer: Issuer, kid: string | null }): Promise<Identity> {
    const isLastWord = await issuer.keys.lookAgain()
    const key = issuer.keys.current()?.find(kid) ?? null
    if (key !== null) return this.#verifyWith(key, token, parts, issuer)
    // The key may be there, behind an address that does not answer: not to know is no reason to say no.
    if (!isLastWord) throw unavailable(issuer.keys.retryAfterMs)
    throw refused('unknown key')
  }

  #verifyWith (key: VerificationKey, token: string, { header, claims, signingInput, signature }: TokenParts, issuer: Issuer): Identity {
    if (header['alg'] !== key.algorithm) throw refused('not the algorithm of its key')
    if (!hasGoodSignature(key, signingInput, signature)) throw refused('wrong signature')
    const identity = identityOfForeign(claims, issuer, Date.now() / 1000)
    if (identity === null) throw refused('a claim is missing, malformed, in the future, or that of another kind of token')
    this.#verified.set(token, { identity, key, keys: issuer.keys })
    return identity
  }
}

function unavailable (retryAfterMs: number): Error {
  return Object.assign(new IssuerUnavailableError(), { headers: { 'retry-after': Math.max(1, Math.ceil(retryAfterMs / 1000)) } })
}

/** The precise reason stays inside. */
function refused (reason: string): Error {
  return new TokenInvalidError({ cause: new Error(reason) })
}
