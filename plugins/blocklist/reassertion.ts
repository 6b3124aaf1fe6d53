import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Revocation } from '../../lib/revocation/entries.ts'
import type { Store } from '../../stores/store.ts'

const slice = 500
/** Pause while another process re-asserts revocations, or while the store is unavailable. */
const pauseMs = 1000

/**
 * Re-asserts revocations that the store has lost, in slices, until the last one is stored. If another process is re-asserting, this one
 * waits, and then re-asserts those that are still missing. Only one run is active at a time; revocations that are found lost meanwhile
 * follow.
 */
export class Reassertion {
  readonly #store: Pick<Store, 'reassert'>
  readonly #owner = randomUUID()
  readonly #ending = new AbortController()
  /** Returns those of the revocations that are still lost. */
  readonly #stillLost: (revocations: Revocation[]) => Promise<Revocation[]>
  #waiting: Revocation[] = []
  #running: Promise<void> | null = null

  constructor (store: Pick<Store, 'reassert'>, stillLost: (revocations: Revocation[]) => Promise<Revocation[]>) {
    this.#store = store
    this.#stillLost = stillLost
  }

  /** Resolves when all given revocations are stored, or when `stop` is called. */
  async add (lost: readonly Revocation[]): Promise<void> {
    // The revocations are not passed as arguments of a call, because there may be millions.
    this.#waiting = this.#waiting.concat(lost)
    this.#running ??= this.#run().finally(() => { this.#running = null })
    await this.#running
  }

  stop (): void {
    this.#ending.abort()
  }

  async #run (): Promise<void> {
    while (this.#waiting.length > 0 && !this.#ending.signal.aborted) {
      const lost = this.#waiting
      this.#waiting = []
      const rest = await this.#say(lost)
      if (rest.length === 0) continue
      await wait(pauseMs, undefined, { signal: this.#ending.signal, ref: false }).catch(() => {})
      const still = await this.#stillLost(rest).catch(() => rest)
      this.#waiting = still.concat(this.#waiting)
    }
  }

  /** Returns the revocations that were not stored. */
  async #say (lost: Revocation[]): Promise<Revocation[]> {
    for (let at = 0; at < lost.length; at += slice) {
      const outcome = await this.#store.reassert(lost.slice(at, at + slice), { owner: this.#owner }).catch(() => 'unknown' as const)
      if (outcome !== 'asserted') return lost.slice(at)
    }
    return []
  }
}
