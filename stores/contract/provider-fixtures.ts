import type { Strength } from '../../lib/session/authentication.ts'
import { providerSubjectOf, type ProviderProof, type ProviderSession } from '../../lib/session/provider-session.ts'
import type { SessionRecord } from '../../lib/session/record.ts'
import type { EndProviderSessions, OpenSession, ProviderOpening, ProviderRenewal, ProviderSessionsEnd, Store } from '../store.ts'
import { keepForMs, maxTokenAgeMs, minute, session } from './fixtures.ts'

/* Sessions of identity providers, for the contract. */

export const keepSidForMs = 20 * minute
export const keepJtiForMs = 5 * minute

export function providerSession (overrides: Partial<ProviderSession> = {}): ProviderSession {
  return { name: 'corp', sub: 'alice', sid: 'sso-1', idToken: 'sealed', claims: { groups: ['admins'], level: 2.5, nested: { empty: [] } }, ...overrides }
}

/** What a provider proves about an authentication of now, for a sign-in that began now, unless told otherwise. It counts from its beginning. */
function proof (store: Store, overrides: Partial<ProviderProof> = {}): ProviderProof {
  const { beganAtMs = store.nowMs() } = overrides
  return { provider: providerSession(), authTimeMs: store.nowMs(), beganAtMs, countsFromMs: beganAtMs, ...overrides }
}

type Opening = Partial<OpenSession> & Partial<ProviderProof>

export async function tryOpen (store: Store, { provider = providerSession(), beganAtMs = store.nowMs(), ...overrides }: Opening = {}): Promise<ProviderOpening> {
  return await store.openFromProvider({ ...session({ subject: providerSubjectOf(provider), origin: 'https://orders.example' }), ...proof(store, { provider, beganAtMs }), ...overrides })
}

/** Opens a session; fails if it is refused. */
export async function openAt (store: Store, overrides: Opening = {}): Promise<SessionRecord> {
  const { outcome, record } = await tryOpen(store, overrides)
  if (record === null) throw new Error(`the session was not opened: ${outcome}`)
  return record
}

export async function stepUp (store: Store, sid: string, overrides: Partial<Strength & ProviderProof> = {}): Promise<ProviderRenewal> {
  return await store.renewFromProvider(sid, { secretHash: 'next', maxTokenAgeMs, acr: 'gold', amr: ['otp'], ...proof(store), ...overrides })
}

export async function logOut (store: Store, logout: Partial<EndProviderSessions>): Promise<ProviderSessionsEnd> {
  return await store.endProviderSessions({ provider: 'corp', subject: null, sid: null, jti: 'token-1', keepJtiForMs, keepSidForMs, keepForMs, maxTokenAgeMs, ...logout })
}
