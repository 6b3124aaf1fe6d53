import { clockToleranceSeconds } from '../jwt/claims.ts'
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

/** Maximum length of a name that a provider gives, as in logout tokens: a session with a longer one could not be logged out. */
const longestName = 1024
/** Maximum length of `sub`, so that the subject here, with the name of the provider, can be revoked. */
const longestSub = 959
const longestAcr = 256
/** Maximum length of the methods as JSON text. A token must have room for them. */
const longestMethods = 1024
/** The latest instant that a date can have, in seconds since the epoch. */
const latestInstant = 8_640_000_000_000
const controlCharacters = /[\x00-\x1f\x7f-\x9f]/ // eslint-disable-line no-control-regex

/**
 * Returns the authentication that the claims state, or the reason why they are invalid. An authentication in the future would outlast cuts
 * that come after it.
 */
export function authenticationIn (claims: ProviderClaims, nowSeconds: number): StatedAuthentication | string {
  const { sub, iat, sid = null, auth_time: authTime = null, acr = '', amr = [], session_expiry: sessionExpiry = null } = claims
  const latest = nowSeconds + clockToleranceSeconds
  const isPast = (value: unknown): boolean => isInstant(value) && value <= latest
  const faults: Record<string, boolean> = {
    'sub is not a name': !isName(sub) || sub.length > longestSub,
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

/** Returns whether a value is a text that names one thing in every store and in every log. */
function isName (value: unknown): value is string {
  return typeof value === 'string' && value !== '' && value.length <= longestName && isPlain(value)
}

function isShort (value: unknown): boolean {
  return typeof value === 'string' && value.length <= longestAcr && isPlain(value)
}

function isPlain (text: string): boolean {
  return text.isWellFormed() && !controlCharacters.test(text)
}

function isInstant (value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= latestInstant
}
