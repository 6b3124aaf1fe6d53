/** A client that sends or accepts less than this holds the connection to the upstream instead of using it. */
const slowBytesPerSecond = 1024

/**
 * Time after which a slow client is ended while others wait for its connection. Without this bound one client could hold all connections of
 * an upstream with a few bytes now and then. The system accepts the bytes for a client in steps of up to a third of its buffer, so a client
 * that reads needs more time until it is seen to move.
 */
const slowAfterMs = { sending: 10_000, reading: 20_000 }

/** Time without a question after which no request waits any longer, so that the next question is the first of a new wait. */
const waitEndsAfterMs = 2000

type Direction = keyof typeof slowAfterMs

/** Measures in periods whether the client of a transfer moves while others wait, so that a fast beginning earns no credit. */
export class Pace {
  readonly #timeoutMs: number
  #direction: Direction = 'sending'
  #sinceMs = -1
  #askedMs = -Infinity
  #bytes = 0

  /** `timeoutMs` is how long the others wait. */
  constructor (timeoutMs: number) {
    this.#timeoutMs = timeoutMs
  }

  /**
   * Returns whether the client was slow since the last period. `bytes` are all that it has sent, or accepted, so far. The first question of a
   * wait, and of a direction, starts a period.
   */
  isSlow (direction: Direction, bytes: number): boolean {
    const nowMs = performance.now()
    const isFirst = direction !== this.#direction || nowMs - this.#askedMs > waitEndsAfterMs
    this.#direction = direction
    this.#askedMs = nowMs
    if (isFirst) return this.#restart(nowMs, bytes)
    const elapsedMs = nowMs - this.#sinceMs
    if (elapsedMs < Math.min(slowAfterMs[direction], this.#timeoutMs / 2)) return false
    return (bytes - this.#bytes) * 1000 < slowBytesPerSecond * elapsedMs || this.#restart(nowMs, bytes)
  }

  #restart (nowMs: number, bytes: number): false {
    this.#sinceMs = nowMs
    this.#bytes = bytes
    return false
  }
}
