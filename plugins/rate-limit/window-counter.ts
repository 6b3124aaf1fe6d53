import { RecencyCache } from '../../lib/cache.ts'

export interface Count {
  /** How many were counted in the window, this one included. */
  count: number
  /** When the window ends, by the clock that was given. */
  endsAtMs: number
}

/**
 * Counts by key in windows that begin with a key's first request. Bounded: of more keys than `maxKeys` the ones that were not
 * counted for longest are forgotten, so whoever goes on trying stays counted.
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

  /** Counts one. The object is the counter's own: read it at once. */
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

  /** Takes one back, if its window has not ended. */
  subtract (key: string, nowMs: number): void {
    const known = this.#counts.get(key)
    if (known !== undefined && nowMs < known.endsAtMs && known.count > 0) known.count--
  }
}
