import type { SessionData } from '../own-data.ts'
import type { ProviderSession } from './provider-session.ts'
import type { TokenFamily } from './rotation.ts'

/* The record of a session, and what it says: whether the session is idle or over, its origin, and the device that it is bound to. */

export type SessionMode = 'session' | 'tokens'

/** The server-side record of one sign-in. Nothing derived from it outlives it. */
export interface SessionRecord {
  /** Public id of the session (lib/session/sid.ts). */
  sid: string
  /** Whose session it is. */
  subject: string
  /** Name with which the subject signed in. A step-up asks for the password of this name. */
  username: string
  /** `session`: the client holds a session cookie; `tokens`: a refresh token. */
  mode: SessionMode
  /** Epoch of the subject when the session was opened. A cut ends all sessions below its number. */
  epoch: number
  /** SHA-256 of the session cookie's secret, base64url; null in tokens mode. */
  secretHash: string | null
  /** Time of the sign-in. */
  createdAtMs: number
  /**
   * Time of the subject's last authentication; in tokens mode, that of the newest generation. A refresh never moves it forward. It moves
   * back, with `acr` and `amr`, when a refresh shows that the response to a step-up was lost (lib/session/rotation.ts).
   */
  authTimeMs: number
  /** Time of the last known use; `touch` and rotation update it. */
  lastUsedAtMs: number
  /** Absolute end of the session, which never changes. */
  expiresAtMs: number
  /** Strength of that authentication (RFC 9068). */
  acr: string
  /** Methods of that authentication (RFC 8176). */
  amr: string[]
  /** Scopes that credentials of this session have. */
  scopes: string[]
  /** Audiences for which access tokens of this session may be issued. */
  audiences: string[]
  /** Client that opened the session. */
  client: { userAgent: string, ip: string }
  /**
   * Origin that opened the session, and the only one at which it is valid. Null in records of earlier versions, which are valid at every
   * origin.
   */
  origin: string | null
  /** Rotation state in tokens mode; null in session mode. */
  family: TokenFamily | null
  /** Device to which the session is bound; null if it is not bound, and always in tokens mode. */
  device: BoundDevice | null
  /** Data that the application keeps with the session; an empty object without data, and in records of earlier versions. */
  data: SessionData
  /** Sign-in at an identity provider; null for every other way to sign in, and in records of earlier versions. */
  provider: ProviderSession | null
}

/** A device, identified by possession of its key (Device Bound Session Credentials). */
export interface BoundDevice {
  /** P-256 point: both coordinates in base64url (lib/session/device-proof.ts). */
  publicKey: string
  boundAtMs: number
  /**
   * Number of times that the device has proved its key since the binding. A proof counts for one number only. The first one may consist of
   * the cookie that came with the binding. 0: the binding may not have reached the device, so it is not in force
   * (`deviceInForce`).
   */
  renewals: number
}

/** Divisor of the idle timeout that gives the grid on which the last use is reported and stored. The grid hides the exact time of use. */
const gridShare = 30

/** Maximum age, in seconds, of an authentication that may end sessions other than the caller's own. */
export const freshSeconds = 300

export function gridMs (idleTimeoutMs: number): number {
  return Math.max(1, Math.floor(idleTimeoutMs / gridShare))
}

export function isIdle (record: { lastUsedAtMs: number }, nowMs: number, idleTimeoutMs: number): boolean {
  return nowMs - record.lastUsedAtMs >= idleTimeoutMs
}

export function isOver (record: { expiresAtMs: number }, nowMs: number): boolean {
  return nowMs >= record.expiresAtMs
}

/** Returns the time of a session's last use in milliseconds, rounded down to the grid on which it may be reported. */
export function lastUseOnGrid (record: { lastUsedAtMs: number }, idleTimeoutMs: number): number {
  const grid = gridMs(idleTimeoutMs)
  return Math.floor(record.lastUsedAtMs / grid) * grid
}

/** Returns the NumericDate (RFC 7519) of an instant in milliseconds. */
export function seconds (instantMs: number): number {
  return Math.floor(instantMs / 1000)
}

/**
 * Returns whether a session was opened at another origin than `origin`. A record without an origin was written by an earlier version and
 * belongs to every origin. Without an origin to compare with, the result is false.
 */
export function isOfOtherOrigin (record: { origin?: string | null }, origin: string | null | undefined): boolean {
  return typeof record.origin === 'string' && typeof origin === 'string' && record.origin !== origin
}

/**
 * Returns the device whose proof every use of the session requires, or null. Browsers need no proof until the device has shown that it
 * received the binding: the response may still be in transit, requests already in flight are still served, and a lost response leaves the
 * session unbound.
 */
export function deviceInForce ({ device }: Pick<SessionRecord, 'device'>): BoundDevice | null {
  return device !== null && device.renewals > 0 ? device : null
}
