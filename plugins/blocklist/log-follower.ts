import { setImmediate as nextTurn } from 'node:timers/promises'
import { StoreUnavailableError } from '../../lib/errors.ts'
import { publish } from '../../lib/events.ts'
import { Replica } from '../../lib/replica.ts'
import type { LogEntry, Store } from '../../stores/store.ts'

/** Requests are answered between as many entries: a snapshot may be of millions. */
const entriesAtOnce = 500

/** Follows the store's revocation log into a replica, and knows how long ago it last heard from the store. */
export class LogFollower {
  readonly replica = new Replica()
  readonly #store: Store
  readonly #maxStalenessMs: number
  readonly #where: object
  readonly #listeners: Array<(entry: LogEntry | 'gap') => void> = []
  #position = ''
  /** Start of the last pull that succeeded, on this process's monotonic clock. */
  #heardAtMs = -Infinity
  #pulling: Promise<void> | null = null
  #pullAgain = false
  #lost = false
  #stopped = false
  #timer: NodeJS.Timeout | null = null
  #unsubscribe: () => void = () => {}

  /** `where`: whose events they are when the store goes away and comes back. */
  constructor (store: Store, maxStalenessMs: number, where: object) {
    this.#store = store
    this.#maxStalenessMs = maxStalenessMs
    this.#where = where
  }

  get stalenessMs (): number {
    return performance.now() - this.#heardAtMs
  }

  assertFresh (): void {
    if (this.stalenessMs > this.#maxStalenessMs) throw new StoreUnavailableError({ cause: new Error('the revocation log was not heard from in time') })
  }

  /** Loads all revocations in force, then follows. Rejects when the store cannot be read. */
  async start (): Promise<void> {
    await this.#load()
    this.#unsubscribe = this.#store.onGrowth(() => this.#wake())
    this.#timer = setInterval(() => this.#wake(), Math.max(25, this.#maxStalenessMs / 4)).unref()
  }

  stop (): void {
    this.#stopped = true
    this.#unsubscribe()
    if (this.#timer !== null) clearInterval(this.#timer)
  }

  subscribe (listener: (entry: LogEntry | 'gap') => void): void {
    this.#listeners.push(listener)
  }

  apply (entry: LogEntry): void {
    if (entry.kind !== 'changed' && entry.kind !== 'keys') this.replica.add(entry)
    this.#tell(entry)
  }

  /** One pull at a time; a call during one makes it run once more, so that no growth is overlooked. */
  #wake (): void {
    if (this.#stopped) return
    this.#pullAgain = true
    this.#pulling ??= this.#pullWhileAsked().finally(() => { this.#pulling = null })
  }

  async #pullWhileAsked (): Promise<void> {
    while (this.#pullAgain && !this.#stopped) {
      this.#pullAgain = false
      await this.#pull()
    }
  }

  async #pull (): Promise<void> {
    const startedAtMs = performance.now()
    try {
      const { position, entries, gap } = await this.#store.pull(this.#position)
      if (gap) return await this.#load()
      await inSlices(entries, entry => this.apply(entry))
      this.#position = position
      this.#heard(startedAtMs)
    } catch {
      this.#notHeard()
    }
  }

  /** Loads the replica anew, then tells everybody that what they cached counts no more. */
  async #load (): Promise<void> {
    const startedAtMs = performance.now()
    const { position, revocations } = await this.#store.snapshot()
    // Revocations that this process knows stay: the store may have lost them.
    await inSlices(revocations, revocation => this.replica.add(revocation))
    this.#position = position
    this.#tell('gap')
    this.#heard(startedAtMs)
  }

  #heard (atMs: number): void {
    this.#heardAtMs = atMs
    this.replica.purge(this.#store.nowMs())
    if (this.#lost) publish({ event: 'store.recovered' }, this.#where)
    this.#lost = false
  }

  #notHeard (): void {
    if (!this.#lost && !this.#stopped) publish({ event: 'store.unavailable' }, this.#where)
    this.#lost = true
  }

  #tell (entry: LogEntry | 'gap'): void {
    for (const listener of this.#listeners) listener(entry)
  }
}

async function inSlices<Entry> (entries: readonly Entry[], act: (entry: Entry) => void): Promise<void> {
  for (let from = 0; from < entries.length; from += entriesAtOnce) {
    if (from > 0) await nextTurn()
    for (const entry of entries.slice(from, from + entriesAtOnce)) act(entry)
  }
}
