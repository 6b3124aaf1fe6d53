/** More than what estimates of another machine's clock scatter by, less than the tolerance for clocks. */
const stepMs = 1000

/**
 * Somebody else's clock, without its steps ahead: what was to be kept for a quarter of an hour is kept for one, though that clock was
 * set meanwhile. Steps back are followed. What was known before a step is over `longestMs` after it, and then the step is made up for. `longestMs` is read at the step.
 */
export class SteadyClock {
  readonly #kept: { readonly longestMs: number }
  /** What that clock said, and when by this process's monotonic clock. */
  #said: { ms: number, atMs: number } | null = null
  #steadyMs = 0
  #heldUntilMs = -Infinity

  constructor (kept: { readonly longestMs: number }) {
    this.#kept = kept
  }

  /** `saysMs`: what the clock says now. `monotonicMs`: what time it is by one that is never set. */
  read (saysMs: number, monotonicMs: number): number {
    const passedMs = this.#said === null ? Infinity : monotonicMs - this.#said.atMs
    if (this.#said !== null && saysMs - this.#said.ms > passedMs + stepMs) this.#heldUntilMs = monotonicMs + this.#kept.longestMs
    this.#steadyMs = monotonicMs < this.#heldUntilMs ? Math.min(saysMs, this.#steadyMs + passedMs) : saysMs
    this.#said = { ms: saysMs, atMs: monotonicMs }
    return this.#steadyMs
  }
}
