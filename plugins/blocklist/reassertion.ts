import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Revocation } from '../../lib/revocation/entries.ts'
import type { Store } from '../../stores/store.ts'

const slice = 500
/** How long to wait when another process is at it, or the store is away. */
const pauseMs = 1000

/**
 * Says revocations to the store again that it has lost: in slices, until the last one is in. Whoever finds another process at it waits,
 * and then says what is still missing. One at a time; what is found to be lost meanwhile comes next.
 */
export class Reassertion {
  readonly #store: Pick<Store, 'reassert'>
  readonly #owner = randomUUID()
  readonly #ending = new AbortController()
  /** Looks again which of these are still lost. */
  readonly #stillLost: (revocations: Revocation[]) => Promise<Revocation[]>
  #waiting: Revocation[] = []
  #running: Promise<void> | null = null

  constructor (store: Pick<Store, 'reassert'>, stillLost: (revocations: Revocation[]) => Promise<Revocation[]>) {
    this.#store = store
    this.#stillLost = stillLost
  }

  /** Resolves when all that was ever given is in the store, or when the end has come. */
  async add (lost: readonly Revocation[]): Promise<void> {
    // Never as the arguments of a call: there may be millions.
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

  /** What could not be said. */
  async #say (lost: Revocation[]): Promise<Revocation[]> {
    for (let at = 0; at < lost.length; at += slice) {
      const outcome = await this.#store.reassert(lost.slice(at, at + slice), { owner: this.#owner }).catch(() => 'unknown' as const)
      if (outcome !== 'asserted') return lost.slice(at)
    }
    return []
  }
}
