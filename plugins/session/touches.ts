import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Store } from '../../stores/store.ts'

/** Number of uses that are written in one operation; more would block the event loop for longer than a request takes. */
const slice = 500

/** Uses of sessions that the store does not know yet. They are written together, off the request path. */
export class Touches {
  readonly #store: Store
  readonly #idleTimeoutMs: number
  readonly #timer: NodeJS.Timeout
  /** Uses of each session, oldest first: the first one, the last one, and those that connect them. */
  #noted = new Map<string, number[]>()
  #flushed: Promise<void> = Promise.resolve()

  constructor (store: Store, idleTimeoutMs: number, everyMs: number) {
    this.#store = store
    this.#idleTimeoutMs = idleTimeoutMs
    this.#timer = setInterval(() => { void this.flush() }, everyMs).unref()
  }

  note (sid: string, usedAtMs: number): void {
    const uses = this.#noted.get(sid)
    if (uses === undefined) this.#noted.set(sid, [usedAtMs])
    else this.#add(uses, usedAtMs)
  }

  /** Writes the noted uses, and waits for those that are being written. Uses that cannot be written are kept for the next time. */
  async flush (): Promise<void> {
    this.#flushed = this.#flushed.then(() => this.#flushNoted())
    await this.#flushed
  }

  async stop (): Promise<void> {
    clearInterval(this.#timer)
    await this.flush()
  }

  async #flushNoted (): Promise<void> {
    const noted = [...this.#noted].flatMap(([sid, uses]) => uses.map((usedAtMs): [string, number] => [sid, usedAtMs]))
    this.#noted = new Map()
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
      for (const [sid, uses] of Map.groupBy(batch, ([sid]) => sid)) this.#keep(sid, uses.map(([, usedAtMs]) => usedAtMs))
    }
  }

  /** Keeps uses that are older than those noted since. */
  #keep (sid: string, uses: number[]): void {
    const newer = this.#noted.get(sid) ?? []
    this.#noted.set(sid, uses)
    for (const usedAtMs of newer) this.#add(uses, usedAtMs)
  }

  /**
   * Adds a use. The last use alone would look like that of a session that was idle before it, if none could be written for that long. A use
   * is dropped if its neighbours are less than the idle timeout apart, so at most two are kept within that time.
   */
  #add (uses: number[], usedAtMs: number): void {
    const last = uses.at(-1) ?? -Infinity
    if (usedAtMs <= last) return
    const beforeLast = uses.at(-2) ?? -Infinity
    if (usedAtMs - beforeLast < this.#idleTimeoutMs) uses[uses.length - 1] = usedAtMs
    else uses.push(usedAtMs)
  }
}
