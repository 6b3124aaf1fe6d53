/** A client that sends or accepts less than this holds the connection to the upstream instead of using it. */
const slowBytesPerSecond = 1024

/** Measures whether a transfer moves, in periods of at least `periodMs`, so that a fast beginning earns no credit. */
export class Pace {
  readonly #periodMs: number
  #sinceMs = -1
  #bytes = 0

  constructor (periodMs: number) {
    this.#periodMs = periodMs
  }

  /** Returns whether the transfer was slow since the last period. `bytes` are all that were transferred so far. The first call starts. */
  isSlow (bytes: number): boolean {
    const nowMs = performance.now()
    if (this.#sinceMs === -1) return this.#restart(nowMs, bytes)
    const elapsedMs = nowMs - this.#sinceMs
    if (elapsedMs < this.#periodMs) return false
    return (bytes - this.#bytes) * 1000 < slowBytesPerSecond * elapsedMs || this.#restart(nowMs, bytes)
  }

  #restart (nowMs: number, bytes: number): false {
    this.#sinceMs = nowMs
    this.#bytes = bytes
    return false
  }
}
