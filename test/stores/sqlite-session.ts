import type { OpenSession } from '../../stores/store.ts'

/** A session to open, for tests of the SQLite store beyond the contract. */
export function session (overrides: Partial<OpenSession> = {}): OpenSession {
  return {
    subject: 'alice',
    username: 'al ice',
    mode: 'session',
    secretHash: 'hash',
    acr: 'acr',
    amr: ['pwd'],
    scopes: ['orders:read'],
    audiences: ['orders'],
    client: { userAgent: 'Mozilla/5.0', ip: '192.0.2.1' },
    origin: null,
    absoluteTimeoutMs: 86_400_000,
    maxPerSubject: 1_000_000,
    maxTokenAgeMs: 900_000,
    ...overrides
  }
}
