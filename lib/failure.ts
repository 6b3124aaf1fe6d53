/**
 * Tracks one condition that fails for a while: since when, why, and when the failure is due to be logged. It is due at the first failure,
 * when the reason changes, and after each `repeatMs` (default: one minute).
 */
export class Failure {
  readonly #repeatMs: number
  #sinceMs: number | null = null
  #saidAtMs = -Infinity
  #reason = ''

  constructor ({ repeatMs = 60_000 } = {}) {
    this.#repeatMs = repeatMs
  }

  /** Reason of the current failure; null while there is none. */
  get reason (): string | null {
    return this.#sinceMs === null ? null : this.#reason
  }

  /** Records a failure. Returns true if it is due to be logged. */
  note (reason: string, nowMs: number): boolean {
    const isDue = this.#sinceMs === null || reason !== this.#reason || nowMs - this.#saidAtMs >= this.#repeatMs
    this.#sinceMs ??= nowMs
    this.#reason = reason
    if (isDue) this.#saidAtMs = nowMs
    return isDue
  }

  /** Records a success. Returns true if the condition failed before. */
  end (): boolean {
    const hasFailed = this.#sinceMs !== null
    this.#sinceMs = null
    return hasFailed
  }

  /** Returns the duration of the current failure in milliseconds; zero while there is none. */
  lastsMs (nowMs: number): number {
    return this.#sinceMs === null ? 0 : nowMs - this.#sinceMs
  }
}
