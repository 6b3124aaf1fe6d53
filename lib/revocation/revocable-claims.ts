import type { CredentialClaims } from './entries.ts'
import { credentialKeys } from './revocation-keys.ts'
import { ClaimsUnidentifiableError } from '../errors.ts'

/**
 * Claims as JWT libraries return them. `jti`, `sid`, `sub` and `iss` are texts; an integer counts as its decimal digits. `iss` is used with
 * `jti` only. `subject` and `issuer` are names of an identity, not of claims: without `sub` and `iss` they are rejected.
 *
 * A cut of a subject, or of all sessions, applies to a token by its `epoch`, the number of its session, or without one by its `iat`. `iat`
 * has whole seconds, so tokens issued later in the second of the cut are revoked as well. If the clock of an issuer is ahead of the store's
 * clock, tokens that it issues shortly before a cut, by as much as it is ahead, escape the cut. `epoch` does not depend on clocks. A token
 * with neither claim counts as issued before every cut.
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

/** Upper bound of an instant in seconds: the year 5138. Every recent instant in milliseconds exceeds it. */
export const latestSeconds = 1e11

/** Tolerance for issuers whose clock is ahead, in seconds. */
const aheadSeconds = 60

/**
 * Tolerance for epochs, in seconds. The epochs of a store run ahead of its clock by one for each cut that follows another one within a
 * second.
 */
const epochAheadSeconds = 3600

/** Epoch that is below that of every cut. */
const beforeEveryCut = 1

/** Returns whether a value is a text that can name a session, a token, a subject or an issuer in every store. */
export function isClaimText (value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= longestText && !value.includes('\0') && value.isWellFormed()
}

/** Members of an identity (lib/identity.ts). An object that has all of them is a copy of one. */
const identityMembers = ['subject', 'sid', 'credential', 'audiences', 'scopes', 'authTime', 'acr', 'amr', 'epoch', 'issuer', 'jti', 'generation', 'expiresAt']

/**
 * Returns the claims by which a credential is revoked: those of a token's payload, or of an identity. Throws ClaimsUnidentifiableError if
 * they are not certain: a value that is read differently here than at its revocation would pass as not revoked. Each claim is read once,
 * and inherited claims are rejected.
 */
export function credentialOf (claims: RevocableClaims | CredentialClaims, nowSeconds: number): CredentialClaims {
  if (typeof claims !== 'object' || claims === null || Array.isArray(claims)) throw unidentifiable('the claims must be the payload of a token, an object')
  // Claims with keys are frozen, and come from a credential that the gateway has verified.
  if (Object.hasOwn(claims, credentialKeys)) return claims as CredentialClaims
  if (isDecoded(claims)) throw unidentifiable(decoded)
  if (identityMembers.every(name => Object.hasOwn(claims, name))) return claimsOfIdentity(claims as CredentialClaims, nowSeconds)
  return claimsOfPayload(claims as RevocableClaims, nowSeconds)
}

function claimsOfPayload (claims: RevocableClaims, nowSeconds: number): CredentialClaims {
  const jti = textOf(claims, 'jti')
  const sid = textOf(claims, 'sid')
  const subject = textOf(claims, 'sub')
  if (subject === null && has(claims, 'subject')) throw unidentifiable(`subject was given without sub: ${whatToPass}`)
  if (jti === null && sid === null && subject === null) throw unidentifiable(nothingNamed(claims))
  const issuer = textOf(claims, 'iss')
  if (jti !== null && issuer === null && has(claims, 'issuer')) throw unidentifiable(`issuer was given without iss: ${whatToPass}`)
  const epoch = epochOf(claims, nowSeconds)
  return { issuer, jti, sid, subject, epoch: epoch ?? issueOf(claims, nowSeconds) }
}

/** Returns the claims of a copy of an identity, which names subject and issuer differently than a payload does. */
function claimsOfIdentity (copy: CredentialClaims, nowSeconds: number): CredentialClaims {
  const { subject, issuer, jti, sid, epoch } = copy
  const claims = claimsOfPayload({ sub: subject, iss: issuer, jti, sid, epoch }, nowSeconds)
  if (claims.subject === null || isMissing(epoch)) throw unidentifiable(`subject and epoch of an identity are missing: ${whatToPass}`)
  for (const [name, value] of [['sub', claims.subject], ['iss', claims.issuer]] as const) if (has(copy, name) && textOf(copy as RevocableClaims, name) !== value) throw unidentifiable(`${name} is not that of the identity: ${whatToPass}`)
  return claims
}

/**
 * Returns whether the claims are one level deeper, as in the results of `decode(…, { complete: true })` and of jose. Names beside them are
 * then no claims.
 */
function isDecoded (claims: object): boolean {
  const { payload, header } = claims as { payload?: unknown, header?: unknown }
  return isObject(payload) || isObject(header)
}

function isObject (value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

/** Returns whether a member has a value, be it inherited. */
function has (claims: object, name: string): boolean {
  return !isMissing((claims as Record<string, unknown>)[name])
}

function isMissing (value: unknown): boolean {
  return value === undefined || value === null
}

function textOf (claims: RevocableClaims, name: 'jti' | 'sid' | 'sub' | 'iss'): string | null {
  const value = own(claims, name)
  if (isMissing(value)) return null
  const text = typeof value === 'bigint' || Number.isSafeInteger(value) ? String(value) : value
  if (!isClaimText(text)) throw unidentifiable(`${name} must be a text of 1 to ${longestText} characters without NUL, or a whole number`)
  return text
}

function epochOf (claims: RevocableClaims, nowSeconds: number): number | null {
  const epoch = own(claims, 'epoch')
  if (isMissing(epoch)) return null
  if (!Number.isSafeInteger(epoch) || (epoch as number) < 0 || (epoch as number) > nowSeconds + epochAheadSeconds) throw unidentifiable('epoch must be the number that the session has, which is not ahead of the clock')
  return epoch as number
}

function issueOf (claims: RevocableClaims, nowSeconds: number): number {
  const iat = own(claims, 'iat')
  if (isMissing(iat)) return beforeEveryCut
  if (typeof iat !== 'number' || !(iat >= 0 && iat <= nowSeconds + aheadSeconds)) throw unidentifiable('iat must be a number of seconds since the epoch, and not in the future')
  // RFC 7519 allows fractions. The fraction is dropped, so that the instant is never too late.
  return Math.max(beforeEveryCut, Math.floor(iat))
}

/**
 * Returns an own claim and rejects an inherited one. An inherited claim may belong to an instance of a class or to a polluted prototype,
 * and the two cannot be distinguished.
 */
function own (claims: RevocableClaims, name: keyof RevocableClaims): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  if (name in claims) throw unidentifiable(`${name} is inherited: give the payload itself, a plain object`)
  return undefined
}

const whatToPass = 'pass the payload of a token (sub, sid, jti, iss, epoch, iat), or a whole identity such as request.identity'

const decoded = 'a decoded token was given: give its payload'

function nothingNamed (claims: object): string {
  if ('then' in claims) return 'a promise was given: await the claims'
  if ('payload' in claims) return decoded
  return 'one of jti, sid and sub is required'
}

function unidentifiable (reason: string): Error {
  return new ClaimsUnidentifiableError({ cause: new Error(reason) })
}
