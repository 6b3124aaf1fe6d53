import { Type, type Static } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { SessionRecord } from '../session/record.ts'
import { seconds } from '../session/lifetime.ts'

/** Tolerance for other machines' clocks when `exp`, `nbf` and `iat` are judged. */
export const clockToleranceSeconds = 5
/** Minted tokens live this long at most. */
export const mintedTtlSeconds = 300

const Instant = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })
const Text = Type.String({ minLength: 1 })

/** The claims of access tokens that we issue to clients (RFC 9068 and ours). */
export const AccessTokenClaims = Type.Object({
  iss: Text,
  sub: Text,
  aud: Type.Union([Text, Type.Array(Text, { minItems: 1 })]),
  exp: Instant,
  iat: Instant,
  nbf: Type.Optional(Instant),
  jti: Text,
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

/** Whether verified claims are those of an access token that `issuer` made, good at `nowSeconds`. Audience and revocation are judged apart. */
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
  /** Generation of the refresh token that is handed out with it. */
  generation: number | null
}

/** The claims of an access token of this session; its `exp` never passes the session's end. */
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
