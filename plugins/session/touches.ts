import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Store } from '../../stores/store.ts'

/** Uses that are written in one operation; more would hold up the event loop for longer than a request takes. */
const slice = 500

/** Uses of sessions that the store has yet to hear of: written together, off the request path. */
export class Touches {
  readonly #store: Store
  readonly #idleTimeoutMs: number
  readonly #timer: NodeJS.Timeout
  #usedAtMs = new Map<string, number>()
  #flushed: Promise<void> = Promise.resolve()

  constructor (store: Store, idleTimeoutMs: number, everyMs: number) {
    this.#store = store
    this.#idleTimeoutMs = idleTimeoutMs
    this.#timer = setInterval(() => { void this.flush() }, everyMs).unref()
  }

  note (sid: string, usedAtMs: number): void {
    this.#usedAtMs.set(sid, usedAtMs)
  }

  /** Writes what is noted, and waits for what is being written. What cannot be written is kept for the next time, unless a newer use has come. */
  async flush (): Promise<void> {
    this.#flushed = this.#flushed.then(() => this.#flushNoted())
    await this.#flushed
  }

  async stop (): Promise<void> {
    clearInterval(this.#timer)
    await this.flush()
  }

  async #flushNoted (): Promise<void> {
    const noted = [...this.#usedAtMs]
    this.#usedAtMs = new Map()
    for (let at = 0; at < noted.length; at += slice) {
      if (at > 0) await nextTurn()
      await this.#write(noted.slice(at, at + slice))
    }
  }

  async #write (batch: Array<[sid: string, usedAtMs: number]>): Promise<void> {
    const nowMs = this.#store.nowMs()
    try {
      await this.#store.touch(batch.map(([sid, usedAtMs]) => ({ sid, agoMs: Math.max(0, nowMs - usedAtMs) })), { idleTimeoutMs: this.#idleTimeoutMs })
    } catch {
      for (const [sid, usedAtMs] of batch) if (!this.#usedAtMs.has(sid)) this.#usedAtMs.set(sid, usedAtMs)
    }
  }
}
