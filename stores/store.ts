import type { Note } from '../lib/notes.ts'
import type { CredentialClaims, LogEntry, Revocation } from '../lib/revocation/entries.ts'
import type { Authentication, Strength } from '../lib/session/authentication.ts'
import type { SessionMode, SessionRecord } from '../lib/session/record.ts'
import type { Counted, RefreshLimit } from '../lib/session/refresh-count.ts'
import type { FamilyOutcome, RotationWindows } from '../lib/session/rotation.ts'

/*
 * The contract between the gateway and the truth.
 *
 * - Every method is one atomic operation of the store. None checks first and acts later.
 * - Every instant is the store's clock, in milliseconds since the epoch (`…AtMs`); durations are milliseconds (`…Ms`).
 * - What is absent is `null`, never `undefined`.
 * - A method that cannot know its outcome within its deadline rejects with StoreUnavailableError. The operation may still have
 *   happened: callers treat the outcome as unknown, never as "no".
 * - A record past `expiresAtMs` (now >= expiresAtMs) or cut off by its subject's or the store's epoch is absent, for every method.
 * - A write resolves when it is as durable as the store can make it.
 * - `stores/contract/` says all of this again, executably, for every implementation.
 */

export type DeviceBinding =
  /** `already`: to this very key, which a repeated request may find. */
  | { outcome: 'bound' | 'already', record: SessionRecord }
  /** It is bound to another key, and stays so. */
  | { outcome: 'refused', record: SessionRecord }

/** `used`: the number is not the record's, because a proof for it came before. Nothing has changed. */
export interface DeviceRenewal { outcome: 'renewed' | 'used', record: SessionRecord }

export interface OpenSession {
  subject: string
  username: string
  mode: SessionMode
  secretHash: string | null
  acr: string
  amr: string[]
  scopes: string[]
  audiences: string[]
  client: { userAgent: string, ip: string }
  origin: string | null
  absoluteTimeoutMs: number
  /** At the limit the oldest sessions of the subject are closed in the same operation. */
  maxPerSubject: number
  /** How long a closed `sid` stays on the log as revoked. */
  maxTokenAgeMs: number
}

export interface RotateOptions extends RotationWindows {
  /** A session that was not used for this long is `expired`. */
  idleTimeoutMs: number
  /** How long the `sid` of a reused family stays on the log as revoked. */
  maxTokenAgeMs: number
  /** Where the token is presented: a record of another origin is `unknown`. Absent: the origin is not judged. */
  origin?: string
  /** The subject has just authenticated again: `rotated` and `recovered` strengthen the record's authentication (lib/session/authentication.ts). */
  fresh?: Strength
  /** What this session may have; counted in the same operation. Absent: this one is not counted. */
  limit?: RefreshLimit
}

/**
 * `counted`: null where nothing was, for want of a limit or of a session that goes on. `granted`: the authentication that the answer may
 * show, which is not always the record's; null where nothing is answered.
 */
export type Rotation =
  /** The record after the operation: `record.family.generation` is the one to hand out, except `held`, which hands out none. */
  | { outcome: Exclude<FamilyOutcome, 'expired' | 'reused'>, record: SessionRecord, granted: Authentication, counted: Counted | null }
  /** The record as it was. `reused` and a retry that came too late have removed it; idleness has not. */
  | { outcome: 'expired' | 'reused', record: SessionRecord, granted: null, counted: null }
  /** Over the limit: nothing was judged and nothing has changed but the count. */
  | { outcome: 'limited', record: SessionRecord, granted: null, counted: Counted }
  | { outcome: 'unknown', record: null, granted: null, counted: null }

/** Takes one page of a snapshot; the next one of the same shard comes when it is done. */
export type TakePage = (revocations: Revocation[]) => Promise<void>

export interface Pull {
  position: string
  /** Entries after the position asked for, oldest first. Empty when `gap`. */
  entries: LogEntry[]
  /** The log does not connect to the position any more (trimmed, lost, restored): take a snapshot and trust no cache. */
  gap: boolean
}

/** The signing keys, sealed by the gateway; the store only keeps the text. */
export interface KeyDocument {
  /** Starts at 1; every write adds one. */
  version: number
  text: string
}

export interface Store {
  /** The type of the driver, or any name for a store of an application. */
  readonly type: string

  /** The store's clock as last heard; synchronous, never ahead of an outage by more than the local clock's own drift. */
  nowMs (): number

  /**
   * Makes a session with a new `sid` at the subject's current epoch, and closes the subject's oldest sessions (by creation, then
   * `sid`) so that at most `maxPerSubject` remain, the new one included. Never fails for existing data. `closed` names those ended.
   */
  open (session: OpenSession): Promise<{ record: SessionRecord, closed: string[] }>

  /** The record, or null. Does not judge idleness. */
  read (sid: string): Promise<SessionRecord | null>

  /**
   * Notes uses that happened `agoMs` before now. Only ever moves `lastUsedAtMs` forward, only on records that exist and were not
   * idle (`now - agoMs - lastUsedAtMs < idleTimeoutMs`) at the time of use. Brings nothing back. Not logged: lateness is harmless.
   */
  touch (uses: ReadonlyArray<{ sid: string, agoMs: number }>, options: { idleTimeoutMs: number }): Promise<void>

  /**
   * Decides what the presentation of `generation` means (lib/session/rotation.ts) and does it. A record in session mode is `unknown`.
   * `rotated`, `held`, `repeated` and `recovered` count as use. `reused` removes the record and logs its `sid` as revoked;
   * `expired` through a late retry does the same, through idleness changes nothing. `limited` comes before all of these but idleness.
   */
  rotate (sid: string, generation: number, options: RotateOptions): Promise<Rotation>

  /** Notes that `generation` reached the client (lib/session/rotation.ts, receive). Without a record, or not the newest: does nothing. */
  noteReceived (sid: string, generation: number, windows: RotationWindows): Promise<void>

  /**
   * Replaces the cookie secret after a fresh authentication, which strengthens the record's (lib/session/authentication.ts); logs `changed`.
   * The old secret is dead when it resolves; `lastUsedAtMs` stays. Null when there is no record in session mode.
   */
  renew (sid: string, fresh: { secretHash: string } & Strength): Promise<SessionRecord | null>

  /**
   * Binds a session to a device, once and for good, and logs `changed`. Null when there is no record in session mode. Does not judge
   * idleness and is no use.
   */
  bindDevice (sid: string, device: { publicKey: string }): Promise<DeviceBinding | null>

  /**
   * The device has proved its key for the number `renewals`: adds one if that is the record's, so that of many proofs for one number
   * exactly one is `renewed`. The first one puts the binding in force and logs `changed`, the others are not logged. Null when there is
   * no record that is bound. Does not judge idleness and is no use.
   */
  renewDevice (sid: string, renewals: number): Promise<DeviceRenewal | null>

  /**
   * Removes the record, if any, and logs the `sid` as revoked for `maxTokenAgeMs`, unless an entry for it is in force already (which
   * is not lengthened). Idempotent. Resolves to the record that was ended, or null. With an `origin`, a record of another one stays
   * as it is, nothing is logged, and it is what this resolves to (lib/session/origin.ts tells).
   */
  close (sid: string, options: { maxTokenAgeMs: number, origin?: string | null }): Promise<SessionRecord | null>

  /** The subject's records, newest first. Does not judge idleness. */
  list (subject: string): Promise<SessionRecord[]>

  /**
   * Revokes one token until `expiresAtMs`, at least; a time that has passed is no error and changes nothing.
   * With the empty text for `issuer` it counts for every issuer's token of that `jti`.
   */
  revokeToken (token: { issuer: string, jti: string, expiresAtMs: number }): Promise<void>

  /**
   * Raises the subject's epoch, above the clock's seconds at least, so that it passes the foreign tokens of until now; removes all
   * of the subject's records except `exceptSid` and logs the cut for `keepForMs`.
   * `exceptSid` counts only while it has a record, of this subject, so nobody who was cut off before comes back.
   * The excepted session keeps its epoch. Resolves to the revocation as logged: the last one, where that has ended all that this one
   * would, so that nobody fills the log by cutting on and on.
   */
  revokeSubject (subject: string, options: { exceptSid: string | null, keepForMs: number }): Promise<Extract<Revocation, { kind: 'subject' }>>

  /**
   * Ends every session: the store's own epoch rises above every number that any subject has, and above the clock's
   * seconds, so that it also passes foreign tokens, and those that a restored backup has forgotten.
   */
  revokeAll (options: { keepForMs: number }): Promise<Extract<Revocation, { kind: 'all' }>>

  /**
   * Makes true again what the store may have lost: for each revocation all that it did when it was made (records, epochs, entry of the
   * log), unless it is in force. Never lowers an epoch, never ends what a revocation spares, changes nothing the second time.
   * One `owner` at a time, so that many who know the same do not all write it: `busy` while another one is at it.
   */
  reassert (revocations: readonly Revocation[], options: { owner: string }): Promise<'asserted' | 'busy'>

  /** Whether a credential is still good by the truth itself: its record is there, no cut covers it, its `jti` is not revoked. */
  isGood (claims: CredentialClaims): Promise<boolean>

  /**
   * Hands out every revocation in force, page by page, so that millions are never held at once. Resolves to the position of the log
   * after which everything is news. One that fails half way has handed out nothing but the truth.
   */
  snapshot (take: TakePage): Promise<string>

  /**
   * All of the log after `position`. Resolves only if the store would have accepted a write just before (a demoted or cut-off primary
   * rejects), so a resolved pull means: heard from the truth.
   */
  pull (position: string): Promise<Pull>

  /** Calls back soon after the log has grown, whoever wrote; may be late, spurious or lost: pull decides. Returns the unsubscriber. */
  onGrowth (listener: () => void): () => void

  readKeys (): Promise<KeyDocument | null>

  /** Writes version `expectedVersion + 1` (0: there is none yet) and logs `keys`; `conflict` when another version is there. */
  writeKeys (expectedVersion: number, text: string): Promise<'written' | 'conflict'>

  /**
   * Puts the note `name` of a topic in place of the one before, for `keepForMs`. A topic has `mostNotes` (lib/notes.ts): one more
   * removes the one that was put longest ago (by instant, then name). Rejects with RangeError what lib/notes.ts does not allow. Not logged.
   */
  putNote (topic: string, name: string, text: string, keepForMs: number): Promise<void>

  /** The notes of a topic that have not expired, by name. */
  readNotes (topic: string): Promise<Note[]>

  /** Ends connections, threads and timers. What was acknowledged stays. */
  end (): Promise<void>
}
