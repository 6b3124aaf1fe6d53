import { type SessionRecord, seconds } from './session/record.ts'
import { frozenCopy } from './json-copy.ts'
import type { AccessTokenClaims } from './jwt/claims.ts'
import type { DeepReadonly, SessionData, TokenClaims } from './own-data.ts'
import { freezeWithKeys } from './revocation/revocation-keys.ts'
import type { ProviderIdentity } from './session/provider-session.ts'

/**
 * The caller behind a verified credential. The object stays the same as long as the credential is the same, so it can be compared and
 * cached by object identity. It is shared by all requests with the credential, so it is frozen, with its lists.
 */
export interface Identity {
  /** Subject of the credential; `<issuer name>|<sub>` for another issuer's token. */
  readonly subject: string
  /** Id of the session; null for a credential without a session here, such as another issuer's token. */
  readonly sid: string | null
  /** Kind of the credential that was presented. */
  readonly credential: 'session' | 'token'
  /** Audiences for which the credential is valid. */
  readonly audiences: readonly string[]
  /** Scopes of the credential. */
  readonly scopes: readonly string[]
  /**
   * Time of the subject's last authentication, in seconds since the epoch. If another issuer's token does not state it: 0, which is never
   * recent enough.
   */
  readonly authTime: number
  /** Strength of that authentication (RFC 9068); an empty text if another issuer's token does not state it. */
  readonly acr: string
  /** Methods of that authentication (RFC 8176); an empty list if another issuer's token does not state them. */
  readonly amr: readonly string[]
  /** Number that cuts are compared with: the epoch of the session, or for another issuer's token the second of its issue. */
  readonly epoch: number
  /** `iss` of the access token; null with a session cookie. */
  readonly issuer: string | null
  /** Id of the access token; null with a session cookie. */
  readonly jti: string | null
  /** Generation of the refresh token that was issued with the access token; null otherwise. */
  readonly generation: number | null
  /** Expiry of the credential, in seconds since the epoch. */
  readonly expiresAt: number
  /**
   * Data that the application keeps with the session, as it was when the record was read. Null with an access token, because no record is read
   * for it; `portcullis.session.read(sid)` reads it.
   */
  readonly data: DeepReadonly<SessionData> | null
  /**
   * Claims that the option `claims` of `accessToken` has added to the access token. Null without that option, with a session cookie, and with
   * another issuer's token.
   */
  readonly claims: DeepReadonly<TokenClaims> | null
  /** Identity provider at which the session began, with the claims that are kept; null for every other credential. */
  readonly provider: ProviderIdentity | null
}

/** Returns whether the record of a session of the gateway decides how long the credential is valid. */
export function hasSession (identity: Identity): identity is Identity & { readonly sid: string } {
  return identity.sid !== null
}

/** Returns whether the credential is another issuer's access token. The gateway's own access tokens all name their session. */
export function isForeignToken (identity: Pick<Identity, 'credential' | 'sid'>): boolean {
  return identity.credential === 'token' && identity.sid === null
}

export function identityOfSession (record: SessionRecord): Identity {
  return freezeWithKeys<Identity>({
    subject: record.subject,
    sid: record.sid,
    credential: 'session',
    // The lists are copied before they are frozen, because the record belongs to the store.
    audiences: [...record.audiences],
    scopes: [...record.scopes],
    authTime: seconds(record.authTimeMs),
    acr: record.acr,
    amr: [...record.amr],
    epoch: record.epoch,
    issuer: null,
    jti: null,
    generation: null,
    expiresAt: seconds(record.expiresAtMs),
    // The store of an application may have records of earlier versions.
    data: frozenCopy(record.data ?? {}),
    claims: null,
    provider: record.provider == null ? null : frozenCopy({ name: record.provider.name, claims: record.provider.claims })
  })
}

/** Returns the identity of a token of the gateway. `own` are the claims in it that the application has added; null if they are not kept. */
export function identityOfToken (claims: AccessTokenClaims, own: DeepReadonly<TokenClaims> | null = null): Identity {
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
    expiresAt: claims.exp,
    data: null,
    claims: own,
    provider: null
  })
}
