import { Durations } from '../../lib/histogram.ts'

/** Outcomes of the requests to one upstream. */
export class UpstreamCounts {
  /** Prefix of the upstream. */
  readonly upstream: string
  /** Number of requests by the status that the client received; 499 if the client disconnected before any response. */
  readonly byStatus = new Map<number, number>()
  readonly durations = new Durations([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30])

  /** Targets of the upstream; a target is down if its health checks fail. */
  targets: ReadonlyArray<{ readonly isDown: boolean }> = []

  constructor (upstream: string) {
    this.upstream = upstream
  }

  /** Counts a request. `seconds` is null if the duration does not depend on the upstream. */
  add (status: number, seconds: number | null): void {
    this.byStatus.set(status, (this.byStatus.get(status) ?? 0) + 1)
    if (seconds !== null) this.durations.add(seconds)
  }
}
