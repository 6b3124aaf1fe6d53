import type { Store } from '../../stores/store.ts'

/** Uses of sessions that the store has yet to hear of: written together, off the request path. */
export class Touches {
  readonly #store: Store
  readonly #idleTimeoutMs: number
  readonly #timer: NodeJS.Timeout
  #usedAtMs = new Map<string, number>()

  constructor (store: Store, idleTimeoutMs: number, everyMs: number) {
    this.#store = store
    this.#idleTimeoutMs = idleTimeoutMs
    this.#timer = setInterval(() => { void this.flush() }, everyMs).unref()
  }

  note (sid: string, usedAtMs: number): void {
    this.#usedAtMs.set(sid, usedAtMs)
  }

  /** Writes what is noted. What cannot be written now is kept for the next time, unless a newer use has come since. */
  async flush (): Promise<void> {
    if (this.#usedAtMs.size === 0) return
    const batch = this.#usedAtMs
    this.#usedAtMs = new Map()
    const nowMs = this.#store.nowMs()
    try {
      await this.#store.touch(Array.from(batch, ([sid, usedAtMs]) => ({ sid, agoMs: Math.max(0, nowMs - usedAtMs) })), { idleTimeoutMs: this.#idleTimeoutMs })
    } catch {
      for (const [sid, usedAtMs] of batch) if (!this.#usedAtMs.has(sid)) this.#usedAtMs.set(sid, usedAtMs)
    }
  }

  async stop (): Promise<void> {
    clearInterval(this.#timer)
    await this.flush()
  }
}
