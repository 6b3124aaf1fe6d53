/** What a connection to the upstream is for. */
export interface Waiter {
  /** A connection is free for it. */
  start (): void
}

/**
 * How many requests may be at an upstream at once, each on a connection of its own, and the bounded queue of those that wait for one.
 * In place of the queue of undici's pool, which has no bound, and keeps requests whose clients have gone away.
 */
export class Slots {
  readonly #mostWaiting: number
  readonly #waiting = new Set<Waiter>()
  #free: number

  constructor (slots: number, mostWaiting: number) {
    this.#free = slots
    this.#mostWaiting = mostWaiting
  }

  get waiting (): number { return this.#waiting.size }

  /** False when all are taken. */
  take (): boolean {
    if (this.#free === 0) return false
    this.#free--
    return true
  }

  /** False when too many wait already. */
  wait (waiter: Waiter): boolean {
    if (this.#waiting.size >= this.#mostWaiting) return false
    this.#waiting.add(waiter)
    return true
  }

  /** Waits no longer. */
  leave (waiter: Waiter): void {
    this.#waiting.delete(waiter)
  }

  /** Gives a slot back: to the one that has waited longest. */
  free (): void {
    if (this.#waiting.size === 0) {
      this.#free++
      return
    }
    const [next] = this.#waiting
    this.#waiting.delete(next!)
    next!.start()
  }
}
