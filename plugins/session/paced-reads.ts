import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { RecencyCache } from '../../lib/cache.ts'

/* Pauses are measured by Node's own clock and timers: fake timers of tests, which replace the global ones, must not make a request wait. */

/**
 * Reads by key that concurrent callers share. Reads that only confirm a rejection are paced: one key is read again at most every `everyMs`,
 * however many callers there are.
 */
export class PacedReads<Value> {
  readonly #read: (key: string) => Promise<Value>
  readonly #everyMs: number
  readonly #running = new Map<string, Promise<Value>>()
  readonly #waiting = new Map<string, Promise<Value>>()
  readonly #startedAtMs = new RecencyCache<number>(10_000)

  constructor (read: (key: string) => Promise<Value>, everyMs: number) {
    this.#read = read
    this.#everyMs = everyMs
  }

  /** Returns the value of a read that may have begun before the call; `isFresh` is true if it began after the call. */
  async shared (key: string): Promise<{ value: Value, isFresh: boolean }> {
    const running = this.#running.get(key)
    return running === undefined ? { value: await this.#start(key), isFresh: true } : { value: await running, isFresh: false }
  }

  /** Returns the value of a read that begins after the call. */
  async fresh (key: string): Promise<Value> {
    const waiting = this.#waiting.get(key)
    if (waiting !== undefined) return await waiting
    const delayMs = (this.#startedAtMs.get(key) ?? -Infinity) + this.#everyMs - performance.now()
    if (delayMs <= 0) return await this.#start(key)
    const next = wait(delayMs).then(async () => {
      this.#waiting.delete(key)
      return await this.#start(key)
    })
    this.#waiting.set(key, next)
    return await next
  }

  #start (key: string): Promise<Value> {
    this.#startedAtMs.set(key, performance.now())
    const read = this.#read(key).finally(() => { if (this.#running.get(key) === read) this.#running.delete(key) })
    this.#running.set(key, read)
    return read
  }
}
