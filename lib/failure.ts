/** One thing that fails for a while: since when, why, and when that is to be said in the log: at once, when the reason changes, and every minute by default. */
export class Failure {
  readonly #repeatMs: number
  #sinceMs: number | null = null
  #saidAtMs = -Infinity
  #reason = ''

  constructor ({ repeatMs = 60_000 } = {}) {
    this.#repeatMs = repeatMs
  }

  /** Null while it does not fail. */
  get reason (): string | null {
    return this.#sinceMs === null ? null : this.#reason
  }

  /** Notes one more failure; true when it is to be said. */
  note (reason: string, nowMs: number): boolean {
    const isDue = this.#sinceMs === null || reason !== this.#reason || nowMs - this.#saidAtMs >= this.#repeatMs
    this.#sinceMs ??= nowMs
    this.#reason = reason
    if (isDue) this.#saidAtMs = nowMs
    return isDue
  }

  /** Notes that it goes well; true when it failed before. */
  end (): boolean {
    const hasFailed = this.#sinceMs !== null
    this.#sinceMs = null
    return hasFailed
  }

  /** Zero while it does not fail. */
  lastsMs (nowMs: number): number {
    return this.#sinceMs === null ? 0 : nowMs - this.#sinceMs
  }
}
