import { Durations } from '../../lib/histogram.ts'
import type { Identity } from '../../lib/identity.ts'

export type VerificationOutcome = 'accepted' | 'refused' | 'unavailable'
export type VerificationCache = 'hit' | 'miss'

type ByOutcome = Record<VerificationOutcome, number>
type ByCache = Record<VerificationCache, ByOutcome>
type Credential = Identity['credential']

/** One verification in this many is timed: two reads of the clock cost as much as the rest of a cached verification. */
const timedShare = 64

/** Outcomes of the presented credentials, counted in plain numbers, so that a request costs almost nothing. */
export class VerificationCounts {
  readonly byCredential: Readonly<Record<Credential, ByCache>>
  readonly durations = new Durations([0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5])
  #sinceTimed = timedShare - 1

  constructor (credentials: readonly Credential[]) {
    this.byCredential = Object.fromEntries(credentials.map(credential => [credential, byCache()])) as Record<Credential, ByCache>
  }

  /** Returns the start of a verification, or 0 if it is not timed. */
  start (): number {
    if (++this.#sinceTimed < timedShare) return 0
    this.#sinceTimed = 0
    return performance.now()
  }

  end (credential: Credential, outcome: VerificationOutcome, cache: VerificationCache, startedAt: number): void {
    this.byCredential[credential][cache][outcome]++
    if (startedAt !== 0) this.durations.add((performance.now() - startedAt) / 1000)
  }
}

function byCache (): ByCache {
  const none = (): ByOutcome => ({ accepted: 0, refused: 0, unavailable: 0 })
  return { hit: none(), miss: none() }
}
