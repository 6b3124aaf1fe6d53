import { Durations } from '../../lib/histogram.ts'
import type { Identity } from '../../lib/principal.ts'

export type VerificationOutcome = 'accepted' | 'refused' | 'unavailable'
export type VerificationCache = 'hit' | 'miss'

type ByOutcome = Record<VerificationOutcome, number>
type ByCache = Record<VerificationCache, ByOutcome>
type Credential = Identity['credential']

/** One in this many is timed: to read the clock twice costs as much as all the rest of a warm verification. */
const timedShare = 64

/** What became of the credentials that were presented: plain numbers, so that a request costs next to nothing. */
export class VerificationCounts {
  readonly byCredential: Readonly<Record<Credential, ByCache>>
  readonly durations = new Durations([0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.005, 0.025, 0.1, 0.5, 2.5])
  #sinceTimed = timedShare - 1

  constructor (credentials: readonly Credential[]) {
    this.byCredential = Object.fromEntries(credentials.map(credential => [credential, byCache()])) as Record<Credential, ByCache>
  }

  /** When a verification begins: the time, for the few that are timed, or 0. */
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
