import type { Note } from '../lib/notes.ts'
import type { SessionData } from '../lib/own-data.ts'
import type { CredentialClaims, LogEntry, Revocation } from '../lib/revocation/entries.ts'
import type { Authentication, Strength } from '../lib/session/authentication.ts'
import type { ProviderLogout, ProviderProof } from '../lib/session/provider-session.ts'
import type { SessionRecord } from '../lib/session/record.ts'
import type { Counted, RefreshLimit } from '../lib/session/refresh-count.ts'
import type { FamilyOutcome, RotationWindows } from '../lib/session/rotation.ts'

/*
 * The contract of a store, which holds the authoritative sessions, revocations and signing keys.
 *
 * - Every method is one atomic operation of the store. None checks first and acts later.
 * - Every instant is the store's clock, in milliseconds since the epoch (`…AtMs`); durations are milliseconds (`…Ms`).
 * - An absent value is `null`, never `undefined`.
 * - A method that cannot know its outcome within its deadline rejects with StoreUnavailableError. The operation may still have
 *   happened: callers treat the outcome as unknown, never as "no".
 * - A record past `expiresAtMs` (now >= expiresAtMs) or cut off by its subject's or the store's epoch is absent, for every method.
 * - A write resolves when it is as durable as the store can make it.
 * - The suite in `stores/contract/` tests these rules and those of the methods for every implementation.
 */

export type DeviceBinding =
  /** `already`: the session was bound to this key before, for example by a request that the client repeats. */
  | { outcome: 'bound' | 'already', record: SessionRecord }
  /** The session is bound to another key, and the binding is unchanged. */
  | { outcome: 'refused', record: SessionRecord }

/** `used`: an earlier proof has used the number, and nothing has changed. */
export interface DeviceRenewal { outcome: 'renewed' | 'used', record: SessionRecord }

export interface OpenSession extends Pick<SessionRecord, 'subject' | 'username' | 'mode' | 'secretHash' | 'acr' | 'amr' | 'scopes' | 'audiences' | 'client' | 'origin'> {
  absoluteTimeoutMs: number
  /** The same operation closes the oldest sessions of the subject above this limit. */
  maxPerSubject: number
  /** Time for which the log lists a closed `sid` as revoked. */
  maxTokenAgeMs: number
  /** Data of the record: a JSON object, which the store keeps unchanged. Without this, the record has an empty object. */
  data?: SessionData
}

/** `cut` and `logged-out` leave no session. */
export type ProviderOpening =
  | { outcome: 'opened', record: SessionRecord, closed: string[] }
  | { outcome: 'cut' | 'logged-out', record: null, closed: [] }

export type ProviderRenewal = { outcome: 'renewed', record: SessionRecord } | { outcome: 'gone' | 'logged-out', record: null }

export interface EndProviderSessions extends ProviderLogout {
  /** Time for which the logout of a `sid` is remembered: at least `longestSignInMs` (lib/session/provider-session.ts), and at least `keepJtiForMs`. */
  keepSidForMs: number
  /** Time for which the log lists the cut of a subject. */
  keepForMs: number
  /** Time for which the log lists the `sid` of an ended session as revoked. */
  maxTokenAgeMs: number
}

export interface ProviderSessionsEnd {
  /** `repeated`: the same token has cut the subject before, and nothing has changed. */
  outcome: 'ended' | 'repeated'
  /** The number of sessions that were ended. */
  sessions: number
  /** What is in force now because of this call. */
  revocations: Revocation[]
}

export interface RotateOptions extends RotationWindows {
  /** A session that was unused for this time is `expired`. */
  idleTimeoutMs: number
  /** Time for which the log lists the `sid` of a reused family as revoked. */
  maxTokenAgeMs: number
  /** The origin at which the token is presented; a record of another origin is `unknown`. Without this, the origin is not checked. */
  origin?: string
  /** The subject has just authenticated again: `rotated` and `recovered` strengthen the record's authentication (lib/session/authentication.ts). */
  fresh?: Strength
  /** The limit of refreshes of this session, which the same operation counts. Without this, the refresh is not counted. */
  limit?: RefreshLimit
}

/**
 * `counted`: null without a limit, and when the session does not continue. `granted`: the authentication that the response may show,
 * which can differ from that of the record; null when the refresh is refused.
 */
export type Rotation =
  /** The record after the operation: `record.family.generation` is the one to hand out, except `held`, which hands out none. */
  | { outcome: Exclude<FamilyOutcome, 'expired' | 'reused'>, record: SessionRecord, granted: Authentication, counted: Counted | null }
  /** The record before the operation, which `reused` and a late retry remove; idleness does not remove it. */
  | { outcome: 'expired' | 'reused', record: SessionRecord, granted: null, counted: null }
  /** The limit is exceeded: the presentation was not evaluated, and only the count has changed. */
  | { outcome: 'limited', record: SessionRecord, granted: null, counted: Counted }
  | { outcome: 'unknown', record: null, granted: null, counted: null }

/** Receives one page of a snapshot. The next page of the same shard follows when the promise resolves. */
export type TakePage = (revocations: Revocation[]) => Promise<void>

export interface Pull {
  position: string
  /** The entries after the requested position, oldest first; empty when `gap` is set. */
  entries: LogEntry[]
  /** The log no longer continues from the position (trimmed, lost, restored): the caller must take a snapshot and discard its caches. */
  gap: boolean
}

/** The signing keys. The gateway seals them, and the store keeps the text. */
export interface KeyDocument {
  /** The number of writes so far; the first version is 1. */
  version: number
  text: string
}

export interface Store {
  /** The type of the driver, or any name for a store of an application. */
  readonly type: string

  /** Returns the store's clock: its last known value plus the local time since then. It drifts at most as the local clock does. */
  nowMs (): number

  /**
   * Makes a session with a new `sid` at the subject's current epoch, and closes the subject's oldest sessions (by creation, then
   * `sid`) so that at most `maxPerSubject` remain, the new one included. Never fails for existing data. `closed` names those ended.
   */
  open (session: OpenSession): Promise<{ record: SessionRecord, closed: string[] }>

  /** Returns the record, or null. Does not check idleness. */
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
   * Opens a session as `open` does, for a sign-in at an identity provider: `authTimeMs` is the provider's, but never later than now, and the
   * session is found by (provider, provider `sid`). `cut`: the subject or everybody was cut at or after `countsFromMs`, or the sign-in began
   * longer ago than `longestSignInMs`, or in the future although there was a cut. `logged-out`: the logout of this provider `sid` is remembered. A store whose sessions and logouts do
   * not share one atomic operation makes the session first and looks for the logout afterwards, and removes the session if it finds one.
   * Until this resolves to `opened`, no client has the secret of the session.
   */
  openFromProvider (session: OpenSession & ProviderProof): Promise<ProviderOpening>

  /**
   * Renews a session as `renew` does, after its provider has authenticated the same user again: `authTimeMs` is the provider's, but never
   * later than now (lib/session/authentication.ts, strengthenAtProvider). `provider` replaces that of the record, and the session is found by
   * the new provider `sid` and by those before. `gone`: no record in session mode of this provider and user, or the step-up began longer
   * ago than `longestSignInMs`. `logged-out`: the logout of the new provider `sid` is remembered, and the session has ended.
   */
  renewFromProvider (sid: string, fresh: { secretHash: string, maxTokenAgeMs: number } & Strength & ProviderProof): Promise<ProviderRenewal>

  /**
   * Ends the sessions that a provider has logged out. With a provider `sid`: remembers the logout for `keepSidForMs` as a revocation of kind
   * `jti` (lib/revocation/provider-keys.ts), then ends every session that is found by it, of the subject if that is given, and logs each
   * `sid`; repeating it changes nothing that the first call has not. Without: cuts the subject as `revokeSubject` does, unless the same `jti`
   * has cut it before, which the same operation remembers for `keepJtiForMs`.
   */
  endProviderSessions (logout: EndProviderSessions): Promise<ProviderSessionsEnd>

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
   * Replaces the whole data of a record in either mode, so that the last of several writes counts, and logs `changed`. Null when there is no
   * record. Does not judge idleness, is no use, and changes nothing else.
   */
  replaceData (sid: string, data: SessionData): Promise<SessionRecord | null>

  /**
   * Removes the record, if any, and logs the `sid` as revoked for `maxTokenAgeMs`, unless an entry for it is in force already (which
   * is not lengthened). Idempotent. Resolves to the record that was ended, or null. With an `origin`, a record of another one stays
   * as it is, nothing is logged, and it is what this resolves to (lib/session/record.ts tells).
   */
  close (sid: string, options: { maxTokenAgeMs: number, origin?: string | null }): Promise<SessionRecord | null>

  /** Returns the records of the subject, newest first. Does not check idleness. */
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
   * Returns the instant of the last cut of the subject or of everybody, null without one. It is remembered for 30 days at least. Of a cut that
   * was restored, the latest instant that its epoch permits.
   */
  lastCutMs (subject: string): Promise<number | null>

  /**
   * Restores revocations that the store may have lost, with all their effects (records, epochs, log entries), unless they are in force.
   * A logout at a provider that is restored ends the sessions that were opened without it.
   * Never lowers an epoch, never ends a session that the revocation excepted, and is idempotent. Admits one `owner` at a time, so that
   * processes do not all write the same revocations; returns `busy` to the others.
   */
  reassert (revocations: readonly Revocation[], options: { owner: string }): Promise<'asserted' | 'busy'>

  /** Tells whether a credential is valid: its record exists, no cut covers it, and its `jti` is not revoked. */
  isGood (claims: CredentialClaims): Promise<boolean>

  /**
   * Delivers every revocation in force in pages, so that millions are never in memory at once. Resolves to the position of the log from
   * which the caller must pull. The pages of a snapshot that fails are correct, but not complete.
   */
  snapshot (take: TakePage): Promise<string>

  /**
   * Returns the entries of the log after `position`. Resolves only when the store could have accepted a write just before (a demoted or
   * partitioned primary rejects), so a resolved pull is authoritative.
   */
  pull (position: string): Promise<Pull>

  /** Calls back after a process has extended the log. A call may be late, spurious or lost; `pull` decides. Returns the unsubscriber. */
  onGrowth (listener: () => void): () => void

  readKeys (): Promise<KeyDocument | null>

  /** Writes version `expectedVersion + 1` (0: there is none yet) and logs `keys`; `conflict` when another version is there. */
  writeKeys (expectedVersion: number, text: string): Promise<'written' | 'conflict'>

  /**
   * Puts the note `name` of a topic in place of the one before, for `keepForMs`. A topic has `mostNotes` (lib/notes.ts): one more
   * removes the one that was put longest ago (by instant, then name). Rejects with RangeError what lib/notes.ts does not allow. Not logged.
   */
  putNote (topic: string, name: string, text: string, keepForMs: number): Promise<void>

  /** Returns the notes of a topic that have not expired, by name. */
  readNotes (topic: string): Promise<Note[]>

  /**
   * Uses up a name for `keepForMs`. Resolves to true for exactly one caller in all processes until that time has passed; to false for every
   * other. Rejects with RangeError what lib/once.ts does not allow. Not logged.
   */
  useOnce (name: string, keepForMs: number): Promise<boolean>

  /** Ends connections, threads and timers. Acknowledged writes are kept. */
  end (): Promise<void>
}
