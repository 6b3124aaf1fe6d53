import { clockToleranceSeconds } from '../jwt/claims.ts'
import type { ProviderClaims } from '../session/provider-session.ts'
import { isName, isPlain, isSub } from './names.ts'

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

const longestAcr = 256
/** Maximum length of the methods as JSON text. A token must have room for them. */
const longestMethods = 1024
/** The latest instant that a date can have, in seconds since the epoch. */
const latestInstant = 8_640_000_000_000

/**
 * Returns the authentication that the claims state, or the reason why they are invalid. An authentication in the future would outlast cuts
 * that come after it.
 */
export function authenticationIn (claims: ProviderClaims, nowSeconds: number): StatedAuthentication | string {
  const { sub, iat, sid = null, auth_time: authTime = null, acr = '', amr = [], session_expiry: sessionExpiry = null } = claims
  const latest = nowSeconds + clockToleranceSeconds
  const isPast = (value: unknown): boolean => isInstant(value) && value <= latest
  const faults: Record<string, boolean> = {
    'sub is not a name': !isSub(sub),
    'iat is not an instant of the past': !isPast(iat),
    'sid is not a name': sid !== null && !isName(sid),
    'auth_time is not an instant of the past': authTime !== null && !isPast(authTime),
    'acr is not a short text': !isShort(acr),
    'amr is not a short list of texts': !Array.isArray(amr) || !amr.every(isName) || JSON.stringify(amr).length > longestMethods,
    'session_expiry is not an instant': sessionExpiry !== null && !isInstant(sessionExpiry)
  }
  const fault = Object.keys(faults).find(fault => faults[fault])
  return fault ?? { sub, sid, authTime, acr, amr, sessionExpiry } as StatedAuthentication
}

function isShort (value: unknown): boolean {
  return typeof value === 'string' && value.length <= longestAcr && isPlain(value)
}

function isInstant (value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= latestInstant
}
