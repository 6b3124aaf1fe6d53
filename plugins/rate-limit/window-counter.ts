import { RecencyCache } from '../../lib/cache.ts'

export interface Count {
  /** Number of requests counted in the window, including this one. */
  count: number
  /** End of the window, by the given clock. */
  endsAtMs: number
}

/**
 * Counts by key in windows that start with a key's first request. If there are more than `maxKeys` keys, those that were not counted for
 * the longest time are dropped, so clients that keep trying remain counted.
 */
export class WindowCounter {
  readonly #windowMs: number
  readonly #counts: RecencyCache<Count>

  constructor ({ windowMs, maxKeys }: { windowMs: number, maxKeys: number }) {
    this.#windowMs = windowMs
    this.#counts = new RecencyCache(maxKeys)
  }

  get size (): number {
    return this.#counts.size
  }

  /** Counts one request. The returned object belongs to the counter and must be read at once. */
  add (key: string, nowMs: number): Count {
    const known = this.#counts.get(key)
    if (known !== undefined && nowMs < known.endsAtMs) {
      known.count++
      return known
    }
    const count = { count: 1, endsAtMs: nowMs + this.#windowMs }
    this.#counts.set(key, count)
    return count
  }

  /** Takes one request back if its window has not ended. */
  subtract (key: string, nowMs: number): void {
    const known = this.#counts.get(key)
    if (known !== undefined && nowMs < known.endsAtMs && known.count > 0) known.count--
  }
}
