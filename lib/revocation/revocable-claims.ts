import type { CredentialClaims } from './entries.ts'
import { ClaimsUnidentifiableError } from '../errors.ts'

/**
 * Claims as JWT libraries give them. `jti`, `sid`, `sub` and `iss` are texts; a whole number counts as its decimal digits. `iss` counts
 * for `jti` only.
 *
 * A cut of a subject, or of all sessions, reaches a token by its `epoch`, the number of its session, and a token without one by its `iat`.
 * That is whole seconds, so tokens that are issued later in the second of the cut are cut off too. The clock of an issuer that is ahead of
 * the store's takes tokens past a cut for as long as it is ahead; `epoch` does not depend on clocks. A token that has neither claim counts
 * as issued before every cut.
 */
export interface RevocableClaims {
  iss?: unknown
  jti?: unknown
  sid?: unknown
  sub?: unknown
  epoch?: unknown
  iat?: unknown
}

const longestText = 1024

/** Instants in milliseconds are above it for all of recorded time, instants in seconds until the year 5138. */
export const latestSeconds = 1e11

/** Clocks of issuers may be ahead by this much. */
const aheadSeconds = 60

/** The epochs of a store are ahead of its clock by one for each cut that follows another one within a second. */
const epochAheadSeconds = 3600

/** No cut has this number or a lower one. */
const beforeEveryCut = 1

/** Whether a text can name a session, a token, a subject or an issuer in every store. */
export function isClaimText (value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= longestText && !value.includes('\0') && value.isWellFormed()
}

/**
 * Returns what claims are revoked by. Throws ClaimsUnidentifiableError when that is not certain: a value that is read in another way
 * here than where it was revoked would pass as not revoked. Each claim is read once, and inherited ones are refused.
 */
export function credentialOf (claims: RevocableClaims, nowSeconds: number): CredentialClaims {
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) throw unidentifiable('the claims must be the payload of a token, an object')
  if (isDecoded(claims)) throw unidentifiable(decoded)
  const jti = textOf(claims, 'jti')
  const sid = textOf(claims, 'sid')
  const subject = textOf(claims, 'sub')
  if (jti === null && sid === null && subject === null) throw unidentifiable(nothingNamed(claims))
  const issuer = textOf(claims, 'iss')
  const epoch = epochOf(claims, nowSeconds)
  return { issuer, jti, sid, subject, epoch: epoch ?? issueOf(claims, nowSeconds) }
}

/** Whether the claims are one level deeper, as in the results of `decode(…, { complete: true })` and of jose: then names beside them tell nothing. */
function isDecoded (claims: object): boolean {
  const { payload, header } = claims as { payload?: unknown, header?: unknown }
  return isObject(payload) || isObject(header)
}

function isObject (value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

function textOf (claims: RevocableClaims, name: 'jti' | 'sid' | 'sub' | 'iss'): string | null {
  const value = own(claims, name)
  if (value === undefined || value === null) return null
  const text = typeof value === 'bigint' || Number.isSafeInteger(value) ? String(value) : value
  if (!isClaimText(text)) throw unidentifiable(`${name} must be a text of 1 to ${longestText} characters without NUL, or a whole number`)
  return text
}

function epochOf (claims: RevocableClaims, nowSeconds: number): number | null {
  const epoch = own(claims, 'epoch')
  if (epoch === undefined || epoch === null) return null
  if (!Number.isSafeInteger(epoch) || (epoch as number) < 0 || (epoch as number) > nowSeconds + epochAheadSeconds) throw unidentifiable('epoch must be the number that the session has, which is not ahead of the clock')
  return epoch as number
}

function issueOf (claims: RevocableClaims, nowSeconds: number): number {
  const iat = own(claims, 'iat')
  if (iat === undefined || iat === null) return beforeEveryCut
  if (typeof iat !== 'number' || !(iat >= 0 && iat <= nowSeconds + aheadSeconds)) throw unidentifiable('iat must be a number of seconds since the epoch, and not in the future')
  // RFC 7519 allows fractions. The second has begun at the whole number, which is never too late.
  return Math.max(beforeEveryCut, Math.floor(iat))
}

/** Refuses an inherited claim: it may be that of an instance of a class, or come from a polluted prototype, and which one cannot be told. */
function own (claims: RevocableClaims, name: keyof RevocableClaims): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  if (name in claims) throw unidentifiable(`${name} is inherited: give the payload itself, a plain object`)
  return undefined
}

const decoded = 'a decoded token was given: give its payload'

function nothingNamed (claims: object): string {
  if ('then' in claims) return 'a promise was given: await the claims'
  if ('payload' in claims) return decoded
  return 'one of jti, sid and sub is required'
}

function unidentifiable (reason: string): Error {
  return new ClaimsUnidentifiableError({ cause: new Error(reason) })
}
