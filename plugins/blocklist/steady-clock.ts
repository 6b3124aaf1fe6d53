/** Minimum size of a step: more than the scatter of estimates of another machine's clock, and less than the clock tolerance. */
const stepMs = 1000

/**
 * Another machine's clock without its forward steps: an entry that must be kept for a quarter of an hour is kept that long, even if that
 * clock is set meanwhile. Backward steps are followed. Entries from before a step have ended `longestMs` after it, and the clock then
 * catches up with the step. `longestMs` is read at the step.
 */
export class SteadyClock {
  readonly #kept: { readonly longestMs: number }
  /** Last reading of that clock, and its time on this process's monotonic clock. */
  #said: { ms: number, atMs: number } | null = null
  #steadyMs = 0
  #heldUntilMs = -Infinity

  constructor (kept: { readonly longestMs: number }) {
    this.#kept = kept
  }

  /** Returns the steady time. `saysMs` is the current reading of the clock; `monotonicMs` is that of a clock that is never set. */
  read (saysMs: number, monotonicMs: number): number {
    const passedMs = this.#said === null ? Infinity : monotonicMs - this.#said.atMs
    if (this.#said !== null && saysMs - this.#said.ms > passedMs + stepMs) this.#heldUntilMs = monotonicMs + this.#kept.longestMs
    this.#steadyMs = monotonicMs < this.#heldUntilMs ? Math.min(saysMs, this.#steadyMs + passedMs) : saysMs
    this.#said = { ms: saysMs, atMs: monotonicMs }
    return this.#steadyMs
  }
}
