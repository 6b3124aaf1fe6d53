import type { TokenFamily } from './rotation.ts'

export type SessionMode = 'session' | 'tokens'

/** The server-side record of one sign-in. Nothing derived from it outlives it. */
export interface SessionRecord {
  /** Public id (lib/session/sid.ts). */
  sid: string
  subject: string
  /** The name that the subject signed in with: a step-up asks for the password that goes with it. */
  username: string
  mode: SessionMode
  /** The subject's epoch when the session was opened; a cut ends all sessions below its number. */
  epoch: number
  /** base64url SHA-256 of the session cookie's secret; null in tokens mode. */
  secretHash: string | null
  createdAtMs: number
  /**
   * When the subject last authenticated; in tokens mode, for the newest generation. Refreshing never moves it forward. It goes back, with
   * `acr` and `amr`, when a refresh finds that the answer to a step-up was lost (lib/session/rotation.ts).
   */
  authTimeMs: number
  /** Last known use; moved by `touch` and by rotation. */
  lastUsedAtMs: number
  /** Absolute end. Nothing ever moves it. */
  expiresAtMs: number
  acr: string
  amr: string[]
  scopes: string[]
  /** Audiences that access tokens of this session may be for. */
  audiences: string[]
  client: { userAgent: string, ip: string }
  /** The origin that opened the session, and at which alone it is good. Null in records of earlier versions, which are good at every origin. */
  origin: string | null
  /** Rotation state in tokens mode; null in session mode. */
  family: TokenFamily | null
  /** The device that the session is bound to; null while it is bound to none, and always in tokens mode. */
  device: BoundDevice | null
}

/** What is known of a device: whoever has its key is on it (Device Bound Session Credentials). */
export interface BoundDevice {
  /** The P-256 point, both coordinates in base64url (lib/session/device-proof.ts). */
  publicKey: string
  boundAtMs: number
  /**
   * How often the device has proved its key since, which a proof counts for one number of alone; the first one may be that it shows what it got
   * with the binding. 0: nobody knows whether the binding reached it, so it is not in force (lib/session/device-binding.ts).
   */
  renewals: number
}
