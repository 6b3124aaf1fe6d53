/** A histogram of durations in seconds, with buckets as Prometheus expects them. Adding a duration costs a few comparisons. */
export class Durations {
  /** Upper bounds of the buckets, in seconds. The last entry of `counts` counts longer durations. */
  readonly bounds: readonly number[]
  readonly counts: Float64Array
  sum = 0

  constructor (bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  add (seconds: number): void {
    let bucket = 0
    while (bucket < this.bounds.length && seconds > this.bounds[bucket]!) bucket++
    this.counts[bucket]!++
    this.sum += seconds
  }
}
