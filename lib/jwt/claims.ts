import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import { type SessionRecord, seconds } from '../session/record.ts'

/** Tolerance for the clocks of other machines when `exp`, `nbf` and `iat` are checked, in seconds. */
export const clockToleranceSeconds = 5
/** Maximum lifetime of a minted token, in seconds. */
export const mintedTtlSeconds = 300

const Instant = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Text = Type.String({ minLength: 1 })

/** The `jti` of a token that can be revoked by it: control characters can be written in no command, and longer texts are not stored. */
export const TokenId = Type.String({ minLength: 1, maxLength: 1024, pattern: '^[^\\x00-\\x1f\\x7f-\\x9f]*$' })

/** Claims of the access tokens that the gateway issues to clients (RFC 9068, and claims of the gateway). */
export const AccessTokenClaims = Type.Object({
  iss: Text,
  sub: Text,
  aud: Type.Union([Text, Type.Array(Text, { minItems: 1 })]),
  exp: Instant,
  iat: Instant,
  nbf: Type.Optional(Instant),
  jti: TokenId,
  sid: Text,
  auth_time: Instant,
  acr: Type.String(),
  amr: Type.Array(Type.String()),
  scope: Type.String(),
  client_id: Text,
  epoch: Type.Integer({ minimum: 0 }),
  gen: Type.Optional(Type.Integer({ minimum: 1 }))
})

export type AccessTokenClaims = Static<typeof AccessTokenClaims>

const accessTokenClaims = TypeCompiler.Compile(AccessTokenClaims)

/**
 * Returns whether verified claims are those of an access token that `issuer` issued. `iat` and `nbf` must not be after `nowSeconds`.
 * Expiry, audience and revocation are checked separately.
 */
export function areAccessTokenClaims (claims: unknown, issuer: string, nowSeconds: number): claims is AccessTokenClaims {
  if (!accessTokenClaims.Check(claims)) return false
  const latest = nowSeconds + clockToleranceSeconds
  return claims.iss === issuer && claims.iat <= latest && (claims.nbf ?? 0) <= latest
}

export interface TokenGrant {
  issuer: string
  audience: string[]
  jti: string
  ttlSeconds: number
  nowSeconds: number
  /** Generation of the refresh token that is issued with the access token; null without one. */
  generation: number | null
}

/** Returns the claims of an access token of the session. Its `exp` is never later than the end of the session. */
export function accessTokenClaimsOf (record: SessionRecord, grant: TokenGrant): AccessTokenClaims {
  return {
    iss: grant.issuer,
    sub: record.subject,
    aud: grant.audience,
    exp: Math.min(grant.nowSeconds + grant.ttlSeconds, seconds(record.expiresAtMs)),
    iat: grant.nowSeconds,
    jti: grant.jti,
    sid: record.sid,
    auth_time: seconds(record.authTimeMs),
    acr: record.acr,
    amr: record.amr,
    scope: record.scopes.join(' '),
    client_id: 'portcullis',
    epoch: record.epoch,
    ...grant.generation === null ? {} : { gen: grant.generation }
  }
}
