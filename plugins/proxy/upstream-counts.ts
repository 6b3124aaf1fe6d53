import { Durations } from '../../lib/histogram.ts'

/** How the requests to one upstream ended. */
export class UpstreamCounts {
  /** The prefix that the upstream stands behind. */
  readonly upstream: string
  /** By what the client was answered; 499 when it went away before any answer. */
  readonly byStatus = new Map<number, number>()
  readonly durations = new Durations([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30])

  constructor (upstream: string) {
    this.upstream = upstream
  }

  /** `seconds`: null where the time is not the upstream's. */
  add (status: number, seconds: number | null): void {
    this.byStatus.set(status, (this.byStatus.get(status) ?? 0) + 1)
    if (seconds !== null) this.durations.add(seconds)
  }
}
