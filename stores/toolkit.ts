/*
 * What a store of an application is built from: the contract, every type that it names, and the pure functions that the stores of this
 * package share. The package exports this file as `portcullis/store`; docs/guides/stores.md describes it.
 */

export type { DeviceBinding, DeviceRenewal, EndProviderSessions, KeyDocument, OpenSession, ProviderOpening, ProviderRenewal, ProviderSessionsEnd, Pull, RotateOptions, Rotation, Store, TakePage } from './store.ts'
export type { CredentialClaims, LogEntry, Revocation } from '../lib/revocation/entries.ts'
export type { BoundDevice, SessionMode, SessionRecord } from '../lib/session/record.ts'

export { StoreUnavailableError } from '../lib/errors.ts'
export type { SessionData } from '../lib/own-data.ts'
export { assertNote, mostNoteBytes, mostNotes, type Note } from '../lib/notes.ts'
export { assertOnce, longestOnceMs } from '../lib/once.ts'
export { cutInstantKeptMs, isCutSince, latestCutMs } from '../lib/revocation/cut-instant.ts'
export { logoutKeyOf, providerSidKeyOf } from '../lib/revocation/provider-keys.ts'
export { subjectKeyOf, tokenKeyOf } from '../lib/revocation/revocation-keys.ts'
export { strengthen, strengthenAtProvider, type Authentication, type Strength } from '../lib/session/authentication.ts'
export { longestSignInMs, providerSubjectOf, type ProviderClaims, type ProviderLogout, type ProviderProof, type ProviderSession } from '../lib/session/provider-session.ts'
export { isOfOtherOrigin } from '../lib/session/record.ts'
export { countRefresh, type Counted, type RefreshCount, type RefreshLimit } from '../lib/session/refresh-count.ts'
export { openFamily, receive, rotate, type FamilyOutcome, type Presentation, type RotationWindows, type TokenFamily, type Transition } from '../lib/session/rotation.ts'
export { createSid, isSid, shardOfSid, shardOfText } from '../lib/session/sid.ts'
