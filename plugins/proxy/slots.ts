/** A request that waits for a connection to the upstream. */
export interface Waiter {
  /** Starts the request; a connection is free for it. */
  start (): void
}

/**
 * Limits the number of concurrent requests at an upstream, each on a separate connection, and queues a limited number of others. It
 * replaces the queue of undici's pool, which is unbounded and keeps requests whose clients have disconnected.
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

  /** Takes a slot. Returns false if all are taken. */
  take (): boolean {
    if (this.#free === 0) return false
    this.#free--
    return true
  }

  /** Adds a request to the queue. Returns false if the queue is full. */
  wait (waiter: Waiter): boolean {
    if (this.#waiting.size >= this.#mostWaiting) return false
    this.#waiting.add(waiter)
    return true
  }

  /** Removes a request from the queue. */
  leave (waiter: Waiter): void {
    this.#waiting.delete(waiter)
  }

  /** Frees a slot, and gives it to the request that has waited longest. */
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
