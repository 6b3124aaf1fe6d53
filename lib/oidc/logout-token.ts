import { clockToleranceSeconds } from '../jwt/claims.ts'
import type { TokenParts } from '../jwt/jws.ts'
import { isName, isSub } from './names.ts'

/* Logout tokens (OpenID Connect Back-Channel Logout 1.0, section 2.4): their claims. The caller verifies the signature. */

/** Maximum age of a logout token, in seconds. Its id is remembered for as long. */
const maxAgeSeconds = 3600
const event = 'http://schemas.openid.net/event/backchannel-logout'

export interface LogoutTokenRules { issuer: string, clientId: string, nowSeconds: number }

/** A logout that a token demands. At least one of `sub` and `sid` is a text. */
export interface LogoutDemand {
  sub: string | null
  sid: string | null
  jti: string
  /** Time until no token with this id is accepted any more, in milliseconds. */
  keepJtiForMs: number
}

/** Returns the logout that a token demands, or the reason why it is invalid. */
export function demandOf ({ header, claims }: TokenParts, rules: LogoutTokenRules): LogoutDemand | string {
  const fault = faultOf(header, claims, rules)
  if (fault !== undefined) return fault
  const { iat, jti, sub = null, sid = null } = claims as { iat: number, jti: string, sub?: string | null, sid?: string | null }
  return { sub, sid, jti, keepJtiForMs: Math.ceil((iat + maxAgeSeconds + 2 * clockToleranceSeconds - rules.nowSeconds) * 1000) }
}

function faultOf (header: TokenParts['header'], claims: TokenParts['claims'], { issuer, clientId, nowSeconds }: LogoutTokenRules): string | undefined {
  const { iss, aud, jti, sub = null, sid = null } = claims
  const faults: Record<string, boolean> = {
    'not a logout token by its header': !isTyped(header),
    'of another issuer': iss !== issuer,
    'for another client': ![aud].flat().includes(clientId),
    ...timeFaults(claims, nowSeconds),
    'with a nonce, so an ID token': Object.hasOwn(claims, 'nonce'),
    'without the event of a logout': !hasEvent(claims['events']),
    'without jti': !isName(jti),
    'sub or sid is not a name': (sub !== null && !isSub(sub)) || (sid !== null && !isName(sid)),
    'with neither sub nor sid': sub === null && sid === null
  }
  return Object.keys(faults).find(fault => faults[fault])
}

/** Providers that know no type of logout tokens state JWT or nothing. */
function isTyped ({ typ, crit }: TokenParts['header']): boolean {
  const name = typeof typ === 'string' ? typ.toLowerCase().replace(/^application\//, '') : typ
  return crit === undefined && [undefined, 'jwt', 'logout+jwt'].includes(name as string | undefined)
}

function timeFaults ({ iat, exp }: TokenParts['claims'], nowSeconds: number): Record<string, boolean> {
  return {
    'without iat': typeof iat !== 'number',
    'from the future': Number(iat) > nowSeconds + clockToleranceSeconds,
    'too old': Number(iat) < nowSeconds - maxAgeSeconds - clockToleranceSeconds,
    expired: exp !== undefined && !(typeof exp === 'number' && exp > nowSeconds - clockToleranceSeconds)
  }
}

function hasEvent (events: unknown): boolean {
  if (typeof events !== 'object' || events === null || !Object.hasOwn(events, event)) return false
  const member: unknown = (events as Record<string, unknown>)[event]
  return typeof member === 'object' && member !== null && !Array.isArray(member)
}
