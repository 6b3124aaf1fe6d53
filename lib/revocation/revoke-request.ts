import { isClaimText, latestSeconds } from './revocable-claims.ts'

/** A request to revoke, with exactly one of `jti`, `sid`, `subject` and `all`. */
export type RevokeRequest =
  /**
   * `issuer` defaults to any issuer. `expiresAt` is the token's `exp`, in seconds since the epoch; it defaults to the longest lifetime of a
   * token.
   */
  | { jti: string, issuer?: string, expiresAt?: number }
  | { sid: string }
  | { subject: string, exceptSid?: string | null }
  | { all: true }

const fieldsOf: Record<string, readonly string[]> = {
  jti: ['jti', 'issuer', 'expiresAt'],
  sid: ['sid'],
  subject: ['subject', 'exceptSid'],
  all: ['all']
}

const shapes = 'revoke takes { jti, issuer?, expiresAt? }, { sid }, { subject, exceptSid? } or { all: true }'
const text = 'must be a text of 1 to 1024 characters without NUL; a number is given as its decimal digits'

/**
 * Returns a copy of a request whose fields are all valid. Otherwise throws a TypeError that names the field, because a request with a claim
 * that the token lacks would revoke nothing. `toleranceMs` is the time for which expired tokens are still accepted.
 */
export function checkRevokeRequest (request: RevokeRequest, { nowMs, toleranceMs }: { nowMs: number, toleranceMs: number }): RevokeRequest {
  const given: Record<string, unknown> = typeof request === 'object' && request !== null ? { ...request } : {}
  const kind = Object.keys(fieldsOf).find(name => Object.hasOwn(given, name))
  if (kind === undefined || !Object.keys(given).every(name => fieldsOf[kind]?.includes(name))) throw new TypeError(shapes)
  if (kind === 'all' && given['all'] !== true) throw new TypeError(shapes)
  if (kind !== 'all' && !isClaimText(given[kind])) throw new TypeError(`revoke: ${kind} ${text}`)
  assertOptional(given, 'issuer', value => value === '' || isClaimText(value), text)
  assertOptional(given, 'exceptSid', value => value === null || isClaimText(value), text)
  assertOptional(given, 'expiresAt', value => isFuture(value, nowMs - toleranceMs), 'must be an instant in the future, in seconds since the epoch, as exp is')
  return given as RevokeRequest
}

function assertOptional (given: Record<string, unknown>, name: string, isRight: (value: unknown) => boolean, rule: string): void {
  if (given[name] !== undefined && !isRight(given[name])) throw new TypeError(`revoke: ${name} ${rule}`)
}

function isFuture (value: unknown, afterMs: number): boolean {
  return typeof value === 'number' && value * 1000 > afterMs && value <= latestSeconds
}
