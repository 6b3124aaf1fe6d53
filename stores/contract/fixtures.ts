import type { CredentialClaims, LogEntry } from '../../lib/revocation/entries.ts'
import type { SessionRecord } from '../../lib/session/record.ts'
import type { OpenSession, RotateOptions, Store } from '../store.ts'
import { takeSnapshot } from './snapshot.ts'
import type { Test } from './test.ts'

export interface StoreFixture {
  store: Store
  advance: (ms: number) => void
  second: () => Promise<Store>
}

export type CreateStore = (t: Test) => Promise<StoreFixture>

export const minute = 60_000
export const absoluteTimeoutMs = 1440 * minute
export const idleTimeoutMs = 30 * minute
export const maxTokenAgeMs = 15 * minute
export const windows = { overlapMs: 10_000, retryWindowMs: 20 * minute }
export const rotating: RotateOptions = { ...windows, idleTimeoutMs, maxTokenAgeMs }
export const keepForMs = 1440 * minute
export const closing = { maxTokenAgeMs }
export const unknownSid = 'AAAAAAAAAAAAAAAAAAAAAA'

export function session (overrides: Partial<OpenSession> = {}): OpenSession {
  return {
    subject: 'alice',
    username: 'al ice',
    mode: 'session',
    secretHash: 'n4bQgYhMfWWaL-qgxVrQFaO_TxsrC4Is0V1sFbDwCgg',
    acr: 'urn:acr:password',
    amr: ['pwd'],
    scopes: ['orders:read'],
    audiences: ['orders'],
    client: { userAgent: 'Mozilla/5.0', ip: '192.0.2.1' },
    origin: null,
    absoluteTimeoutMs,
    maxPerSubject: 100,
    maxTokenAgeMs,
    ...overrides
  }
}

export const tokens: Partial<OpenSession> = { mode: 'tokens', secretHash: null }

export async function open (store: Store, overrides: Partial<OpenSession> = {}): Promise<SessionRecord> {
  const { record } = await store.open(session(overrides))
  return record
}

/** The timeout that tells a hang from slow work; a passing test never waits for it. */
const longestWaitMs = 120_000

export function claims (overrides: Partial<CredentialClaims> = {}): CredentialClaims {
  return { issuer: null, jti: null, sid: null, subject: null, epoch: null, ...overrides }
}

export function claimsOf (record: SessionRecord): CredentialClaims {
  return claims({ sid: record.sid, subject: record.subject, epoch: record.epoch })
}

export async function head (store: Store): Promise<string> {
  const { position } = await takeSnapshot(store)
  return position
}

export async function entriesAfter (store: Store, position: string): Promise<LogEntry[]> {
  const pull = await store.pull(position)
  if (pull.gap) throw new Error('the log does not connect')
  return pull.entries
}

export function revokedSids (entries: ReadonlyArray<LogEntry>): string[] {
  return entries.flatMap(entry => entry.kind === 'sid' ? [entry.sid] : [])
}

export function sidsOf (records: ReadonlyArray<SessionRecord>): string[] {
  return records.map(record => record.sid)
}

export async function until (isDone: () => boolean): Promise<void> {
  const deadline = Date.now() + longestWaitMs
  while (!isDone()) {
    if (Date.now() > deadline) throw new Error(`it did not happen within ${longestWaitMs} ms`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** Creates a seeded generator of small numbers, so that a failing trace can be repeated. */
export function randomNumbers (seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor(state / 2 ** 32 * below)
  }
}
