import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { randomBytes } from 'node:crypto'
import { RecencyCache } from '../lib/cache.ts'
import { accessTokenClaimsOf, areAccessTokenClaims } from '../lib/jwt/claims.ts'
import { TokenInvalidError } from '../lib/errors.ts'
import { identityOfToken, type Identity } from '../lib/identity.ts'
import { hasGoodSignature, parseToken, type TokenParts } from '../lib/jwt/jws.ts'
import { checkOptions } from '../lib/check-options.ts'
import { copyOwnClaims, ownClaimsOf } from '../lib/jwt/own-claims.ts'
import type { TokenClaims } from '../lib/own-data.ts'
import type { SessionRecord } from '../lib/session/record.ts'
import { accessToken } from '../lib/settings/access-token.ts'
import { optionsOf, type OptionsFrom } from '../lib/settings/options.ts'
import type { Keys } from './keys.ts'
import { addPart, beginPart, partOrNull, type Portcullis } from './portcullis.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    /** Issues and verifies access tokens (RFC 9068). */
    accessToken: AccessToken
  }
}

export interface AccessToken {
  /** The `iss` of every token that this gateway issues. */
  readonly issuer: string
  /** Lifetime of a token, in seconds. */
  readonly ttlSeconds: number
  /** Number of tokens that were not cached and had to be verified. */
  readonly checked: number
  /**
   * Issues a token of a session for these audiences. It expires no later than the session. `generation` is that of the refresh token with
   * which it is issued; null without one. Throws TypeError if the option `claims` returns claims that cannot be added.
   */
  issue (record: SessionRecord, grant: { audience: readonly string[], generation: number | null }): string
  /**
   * Returns the identity of a token whose format, signature, type, issuer and times are valid. Audience and revocation are not checked:
   * pass the identity to `blocklist.assertNotRevoked`, and compare its audiences. Minted tokens are rejected.
   * Returns a promise only if the key is not known yet. Throws, or rejects with, TokenInvalidError.
   */
  verify (token: string): Identity | Promise<Identity>
  /** Verifies a token of this gateway that may have expired, for sign-out only. */
  verifyExpired (token: string): Promise<Identity>
}

/** Verifies tokens of other issuers. The caller checks whether they have expired. */
export interface ForeignVerifier {
  /** Returns the identity of a token that was verified before; undefined otherwise. */
  recall (token: string): Identity | undefined
  /** Returns the identity of a token of one of the issuers. Returns a promise only if the key is not known yet. */
  verify (token: string, parts: TokenParts): Identity | Promise<Identity>
}

const own = {
  /** The `iss` of every token: the gateway's origin. */
  issuer: Type.String({ minLength: 1 }),
  /**
   * Function that returns claims to add to each access token that is issued: a JSON object of at most 1024 bytes. Identities of verified tokens
   * have them as `claims`. They take part in no decision of the gateway. Default: no claims are added or kept.
   */
  claims: Type.Optional(Type.Unsafe<(record: SessionRecord) => TokenClaims>(Type.Function([], Type.Unknown(), { errorMessage: 'must be a function that returns claims' })))
}

export interface AccessTokenOptions extends OptionsFrom<typeof accessToken.properties, typeof own> {}

type MakeClaims = NonNullable<AccessTokenOptions['claims']>

const Options = optionsOf(accessToken.properties, own)

/** Short-lived signed access tokens, each valid only for the audiences that it names. */
export default fp<AccessTokenOptions>(async function accessTokenPlugin (fastify, options) {
  const { issuer, ttlMs, cacheSize, claims } = checkOptions('portcullis-access-token', Options, options)
  const portcullis = beginPart(fastify, 'accessToken')
  addPart(fastify, 'accessToken', new AccessTokens(portcullis, { issuer, ttlSeconds: Math.floor(ttlMs / 1000), cacheSize, makeClaims: claims ?? null }))
}, { name: 'portcullis-access-token', fastify: '5.x', dependencies: ['portcullis-keys'] })

class AccessTokens implements AccessToken {
  readonly #parts: Portcullis
  readonly #keys: Keys
  readonly issuer: string
  readonly ttlSeconds: number
  readonly #makeClaims: MakeClaims | null
  #checked = 0
  readonly #verified: RecencyCache<Identity>
  readonly #now: () => number
  #foreign: ForeignVerifier | null = null

  constructor (parts: Portcullis, options: { issuer: string, ttlSeconds: number, cacheSize: number, makeClaims: MakeClaims | null }) {
    this.#parts = parts
    this.#keys = parts.keys
    this.#now = parts.clock
    this.issuer = options.issuer
    this.ttlSeconds = options.ttlSeconds
    this.#makeClaims = options.makeClaims
    this.#verified = new RecencyCache(options.cacheSize)
    this.#keys.onChange(() => this.#verified.clear())
  }

  get checked (): number {
    return this.#checked
  }

  issue (record: SessionRecord, { audience, generation }: { audience: readonly string[], generation: number | null }): string {
    const jti = randomBytes(16).toString('base64url')
    const claims = accessTokenClaimsOf(record, { issuer: this.issuer, audience: [...audience], jti, generation, ttlSeconds: this.ttlSeconds, nowSeconds: Math.floor(this.#now() / 1000) })
    return this.#keys.sign(this.#makeClaims === null ? claims : { ...copyOwnClaims(this.#makeClaims(record)), ...claims })
  }

  verify (token: string): Identity | Promise<Identity> {
    const known = this.#verified.get(token) ?? this.#foreign?.recall(token)
    if (known !== undefined) return this.#assertNotExpired(known)
    this.#checked++
    const parts = parseToken(token)
    if (parts === null) throw refused('not a canonical token')
    // The `issuers` part may be registered after this one.
    this.#foreign ??= partOrNull(this.#parts, 'issuers')
    if (this.#foreign !== null && parts.claims['iss'] !== this.issuer) return this.#withoutExpired(this.#foreign.verify(token, parts))
    return this.#keys.find(assertHeader(parts.header)) === null ? this.#verifyLater(token, parts) : this.#verifyNow(token, parts)
  }

  async verifyExpired (token: string): Promise<Identity> {
    const parts = parseToken(token)
    if (parts === null) throw refused('not a canonical token')
    // The keys are not read for a token of another issuer.
    if (parts.claims['iss'] !== this.issuer) throw refused('of another issuer')
    if (this.#keys.find(assertHeader(parts.header)) === null) await this.#keys.reload()
    return this.#check(parts)
  }

  /** Reloads the keys first, because another process may have created a key that this one has not read yet. */
  async #verifyLater (token: string, parts: TokenParts): Promise<Identity> {
    await this.#keys.reload()
    return this.#verifyNow(token, parts)
  }

  #verifyNow (token: string, parts: TokenParts): Identity {
    const identity = this.#assertNotExpired(this.#check(parts))
    this.#verified.set(token, identity)
    return identity
  }

  #check ({ header, claims, signingInput, signature }: TokenParts): Identity {
    const key = this.#keys.find(assertHeader(header))
    if (key === null) throw refused('unknown key')
    if (header['alg'] !== key.algorithm) throw refused('not the algorithm of its key')
    if (!hasGoodSignature(key, signingInput, signature)) throw refused('wrong signature')
    if (!areAccessTokenClaims(claims, this.issuer, this.#now() / 1000)) throw refused('wrong claims')
    return identityOfToken(claims, this.#makeClaims === null ? null : ownClaimsOf(claims))
  }

  #withoutExpired (identity: Identity | Promise<Identity>): Identity | Promise<Identity> {
    return identity instanceof Promise ? identity.then(verified => this.#assertNotExpired(verified)) : this.#assertNotExpired(identity)
  }

  #assertNotExpired (identity: Identity): Identity {
    if (identity.expiresAt * 1000 <= this.#now()) throw refused('expired')
    return identity
  }
}

/** Returns the `kid` of a header in the form that the gateway issues. These checks need no key, so the store is not queried for one. */
function assertHeader ({ kid, typ, alg, ...others }: Record<string, unknown>): string {
  if (typeof kid !== 'string' || typeof alg !== 'string') throw refused('no key or algorithm')
  if (typeof typ !== 'string' || typ.toLowerCase() !== 'at+jwt') throw refused('not an access token')
  if (Object.keys(others).length > 0) throw refused('unexpected header parameters')
  return kid
}

/** Returns the error of an invalid token. The client does not receive the precise reason. */
function refused (reason: string): Error {
  return new TokenInvalidError({ cause: new Error(reason) })
}
