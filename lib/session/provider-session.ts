import type { DeepReadonly } from '../own-data.ts'

/* A session that began at an identity provider (OpenID Connect): what its record keeps about that, and what a provider states. */

/** Claims of a user that a provider has stated, as JSON. */
export type ProviderClaims = Record<string, unknown>

/** Part of a session's record about the sign-in at an identity provider. */
export interface ProviderSession {
  /** Name of the provider in the configuration. */
  name: string
  /** Subject at the provider (`sub`). */
  sub: string
  /** Session at the provider (`sid` of the last ID token); null if the provider states none. */
  sid: string | null
  /** ID token of the last authentication, sealed, for the hint at sign-out; null if it is too long to keep. */
  idToken: string | null
  /** Claims that the configuration keeps with the session. */
  claims: ProviderClaims
}

/** Part of an identity about the sign-in at an identity provider. */
export type ProviderIdentity = DeepReadonly<Pick<ProviderSession, 'name' | 'claims'>>

/** What a provider has proved about a sign-in or a step-up, in addition to its strength. */
export interface ProviderProof {
  provider: ProviderSession
  /** Time of the authentication as the provider states it, in milliseconds; 0 if it states none, which is never recent enough. */
  authTimeMs: number
  /** Time at which the sign-in began at this gateway, by the store's clock. A cut of the subject since then refuses it. */
  beganAtMs: number
}

/** End of sessions that a provider demands with a verified logout token (OpenID Connect Back-Channel Logout 1.0). */
export interface ProviderLogout {
  /** Name of the provider. */
  provider: string
  /** Subject here (`<provider>|<sub>`); null if the token has only `sid`. */
  subject: string | null
  /** Session at the provider; null if the token has only `sub`, so that all sessions of the subject end. */
  sid: string | null
  /** Id of the logout token. The same one counts once. */
  jti: string
  /** Time for which the id is remembered: at least as long as the token could be accepted again. */
  keepJtiForMs: number
}
