import type { SessionRecord } from './session/record.ts'
import type { AccessTokenClaims } from './jwt/claims.ts'
import { seconds } from './session/lifetime.ts'
import { freezeWithKeys } from './revocation/credential-ids.ts'

/** Who is behind a verified credential. One object for as long as the credential is the same: compare and cache by identity. */
export interface Identity {
  /** `<issuer name>|<sub>` when another issuer says who it is. */
  readonly subject: string
  /** Null when another issuer's token was presented: there is no session here. */
  readonly sid: string | null
  /** What was presented. */
  readonly credential: 'session' | 'token'
  /** Audiences that the credential is good for. */
  readonly audiences: readonly string[]
  readonly scopes: readonly string[]
  /**
   * When the subject last authenticated, how strongly and by what (RFC 9068); seconds since the epoch. Of another issuer's token
   * that does not say: 0, which is never recent enough, the empty text and nothing.
   */
  readonly authTime: number
  readonly acr: string
  readonly amr: readonly string[]
  /** What cuts are judged by: the session's; of another issuer's token the second of its issue. */
  readonly epoch: number
  /** `iss` of the access token; null with a session cookie. */
  readonly issuer: string | null
  /** Id of the access token; null with a session cookie. */
  readonly jti: string | null
  /** Generation of the refresh token that came with the access token; null otherwise. */
  readonly generation: number | null
  /** When the credential ends, seconds since the epoch. */
  readonly expiresAt: number
}

export function identityOfSession (record: SessionRecord): Identity {
  return freezeWithKeys<Identity>({
    subject: record.subject,
    sid: record.sid,
    credential: 'session',
    audiences: record.audiences,
    scopes: record.scopes,
    authTime: seconds(record.authTimeMs),
    acr: record.acr,
    amr: record.amr,
    epoch: record.epoch,
    issuer: null,
    jti: null,
    generation: null,
    expiresAt: seconds(record.expiresAtMs)
  })
}

export function identityOfToken (claims: AccessTokenClaims): Identity {
  return freezeWithKeys<Identity>({
    subject: claims.sub,
    sid: claims.sid,
    credential: 'token',
    audiences: [claims.aud].flat(),
    scopes: claims.scope === '' ? [] : claims.scope.split(' '),
    authTime: claims.auth_time,
    acr: claims.acr,
    amr: claims.amr,
    epoch: claims.epoch,
    issuer: claims.iss,
    jti: claims.jti,
    generation: claims.gen ?? null,
    expiresAt: claims.exp
  })
}
