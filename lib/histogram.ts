/** Durations in seconds, counted into buckets as Prometheus wants them. To add one costs a few comparisons and nothing else. */
export class Durations {
  /** Upper bounds; what is longer than the last is in the last count. */
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
