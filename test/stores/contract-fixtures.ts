import type { Test } from 'tap'
import type { SessionRecord } from '../../lib/session/record.ts'
import type { OpenSession, RotateOptions, Store } from '../../stores/store.ts'

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
