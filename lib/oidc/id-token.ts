import type { ProviderClaims } from '../session/provider-session.ts'

/* Claims of a verified ID token about the authentication, which OpenID Connect defines and libraries do not check. */

/** The authentication that an ID token states. Members that it does not state are null or empty. */
export interface StatedAuthentication {
  sub: string
  sid: string | null
  /** Seconds since the epoch, by the provider's clock. */
  authTime: number | null
  acr: string
  amr: string[]
  /** Seconds since the epoch (`session_expiry`, as IPSIE defines it). */
  sessionExpiry: number | null
}

/** Returns the authentication that the claims state, or the reason why they are invalid. */
export function authenticationIn (claims: ProviderClaims): StatedAuthentication | string {
  const { sub, sid = null, auth_time: authTime = null, acr = '', amr = [], session_expiry: sessionExpiry = null } = claims
  const faults: Record<string, boolean> = {
    'sub is not a text': !isText(sub),
    'sid is not a text': sid !== null && !isText(sid),
    'auth_time is not an instant': authTime !== null && !isInstant(authTime),
    'acr is not a text': typeof acr !== 'string',
    'amr is not a list of texts': !Array.isArray(amr) || !amr.every(isText),
    'session_expiry is not an instant': sessionExpiry !== null && !isInstant(sessionExpiry)
  }
  const fault = Object.keys(faults).find(fault => faults[fault])
  return fault ?? { sub, sid, authTime, acr, amr, sessionExpiry } as StatedAuthentication
}

function isText (value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

function isInstant (value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0
}
