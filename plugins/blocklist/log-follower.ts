import { performance } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { StoreUnavailableError } from '../../lib/errors.ts'
import { publish } from '../../lib/events.ts'
import { Replica } from '../../lib/revocation/replica.ts'
import { SteadyClock } from './steady-clock.ts'
import type { LogEntry, Revocation } from '../../lib/revocation/entries.ts'
import type { Store } from '../../stores/store.ts'
import { Reassertion } from './reassertion.ts'

/** Number of entries that are applied before other requests are served; a snapshot may contain millions. */
const entriesAtOnce = 500

/** Copies the store's revocation log into a replica, and records when the store last answered. */
export class LogFollower {
  readonly replica = new Replica()
  readonly #reassertion: Reassertion
  /** Revocations that this process made, and has not read from the log yet. */
  readonly #unechoed = new Map<string, { revocation: Revocation, notedAtMs: number }>()
  readonly #store: Store
  readonly #maxStalenessMs: number
  /**
   * Time of the store for the purge of revocations. A forward step of the store's clock must not end a revocation while tokens that it
   * revokes are valid.
   */
  readonly #clock: SteadyClock
  readonly #where: object
  readonly #listeners: Array<(entry: LogEntry | 'gap') => void> = []
  #position = ''
  /** Start of the last successful pull, on this process's monotonic clock. */
  #heardAtMs = -Infinity
  #pulling: Promise<void> | null = null
  #pullAgain = false
  #lost = false
  #stopped = false
  #timer: NodeJS.Timeout | null = null
  #unsubscribe: () => void = () => {}

  /**
   * Creates a follower. `longestMs` is the maximum lifetime of a revocation. `where` is the scope of the events that report the loss and
   * the recovery of the store.
   */
  constructor (store: Store, options: { readonly maxStalenessMs: number, readonly longestMs: number }, where: object) {
    this.#store = store
    this.#maxStalenessMs = options.maxStalenessMs
    this.#clock = new SteadyClock(options)
    this.#where = where
    this.#reassertion = new Reassertion(store, async revocations => await this.#lostBy(revocations))
  }

  get stalenessMs (): number {
    return performance.now() - this.#heardAtMs
  }

  assertFresh (): void {
    if (this.stalenessMs > this.#maxStalenessMs) throw new StoreUnavailableError({ cause: new Error('the revocation log was not heard from in time') })
  }

  /** Loads all revocations in force, then follows the log. Rejects if the store cannot be read. */
  async start (): Promise<void> {
    await this.#load()
    this.#unsubscribe = this.#store.onGrowth(() => this.#wake())
    this.#timer = setInterval(() => this.#wake(), Math.max(25, this.#maxStalenessMs / 4)).unref()
  }

  stop (): void {
    this.#stopped = true
    this.#reassertion.stop()
    this.#unsubscribe()
    if (this.#timer !== null) clearInterval(this.#timer)
  }

  subscribe (listener: (entry: LogEntry | 'gap') => void): void {
    this.#listeners.push(listener)
  }

  /**
   * Applies an entry that this process has made effective. It applies at once, and must come back through the log. A revocation that is
   * already known is not logged again: waiting for it would treat it as lost, and a client that signs out repeatedly would cause it to be
   * re-asserted each time.
   */
  note (entry: LogEntry): void {
    if (isRevocation(entry) && !this.replica.has(entry)) this.#unechoed.set(nameOf(entry), { revocation: entry, notedAtMs: performance.now() })
    this.#apply(entry)
  }

  /** Resolves when everything that the log contains at the time of the call is in force here. Rejects with StoreUnavailableError. */
  async catchUp (): Promise<void> {
    const sinceMs = performance.now()
    this.#wake()
    await this.#pulling
    if (this.#heardAtMs < sinceMs) throw new StoreUnavailableError({ cause: new Error('the revocation log could not be read') })
  }

  #apply (entry: LogEntry): void {
    if (isRevocation(entry)) this.replica.add(entry)
    this.#tell(entry)
  }

  /** Runs one pull at a time. A call during a pull triggers another one, so that no growth is missed. */
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
      await inSlices(entries, entry => {
        if (isRevocation(entry)) this.#unechoed.delete(nameOf(entry))
        this.#apply(entry)
      })
      this.#position = position
      this.#heard(startedAtMs)
      this.#missEchoes(startedAtMs)
    } catch {
      this.#notHeard()
    }
  }

  /**
   * Re-asserts acknowledged revocations that are missing from the log: a failover promoted a replica that had not received them. The log
   * itself continues there, so nothing else reveals the loss.
   */
  #missEchoes (pulledAtMs: number): void {
    const lost: Revocation[] = []
    for (const [name, { revocation, notedAtMs }] of this.#unechoed) {
      if (notedAtMs >= pulledAtMs) continue
      this.#unechoed.delete(name)
      lost.push(revocation)
    }
    if (lost.length > 0) void this.#reassertion.add(lost)
  }

  /** Reloads the replica, notifies the subscribers that their cached data is stale, and re-asserts revocations that the store has lost. */
  async #load (): Promise<void> {
    const startedAtMs = performance.now()
    const known = this.#position === '' ? null : new Replica()
    // Revocations that this process knows are kept, because the store may have lost them.
    const position = await this.#store.snapshot(async page => await inSlices(page, revocation => {
      this.replica.add(revocation)
      known?.add(revocation)
    }))
    const lost = known === null ? [] : await this.#missingFrom(known)
    this.#position = position
    this.#tell('gap')
    this.#heard(startedAtMs)
    if (lost.length > 0) void this.#reassertion.add(lost)
  }

  /** Returns those of the revocations that the store does not know. It does not use the replica, which is purged meanwhile. */
  async #lostBy (revocations: Revocation[]): Promise<Revocation[]> {
    const known = new Replica()
    await this.#store.snapshot(async page => await inSlices(page, revocation => known.add(revocation)))
    const lost: Revocation[] = []
    await inSlices(revocations, revocation => { if (!known.has(revocation)) lost.push(revocation) })
    return lost
  }

  /**
   * Returns the revocations that this process knows and the store does not. It must run while nothing is pulled, because a pull purges the
   * replica.
   */
  async #missingFrom (others: Replica): Promise<Revocation[]> {
    const missing: Revocation[] = []
    for (const some of this.replica.missingFrom(others)) {
      missing.push(...some)
      await nextTurn()
    }
    return missing
  }

  #heard (atMs: number): void {
    this.#heardAtMs = atMs
    this.replica.purge(this.#clock.read(this.#store.nowMs(), performance.now()))
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

function isRevocation (entry: LogEntry): entry is Revocation {
  return entry.kind !== 'changed' && entry.kind !== 'keys'
}

/** Returns a name that is the same for every statement of one revocation. */
function nameOf (revocation: Revocation): string {
  switch (revocation.kind) {
    case 'sid': return `sid ${revocation.sid}`
    case 'jti': return `jti ${revocation.tokenKey}`
    case 'subject': return `subject ${revocation.subjectKey} ${revocation.belowEpoch}`
    case 'all': return `all ${revocation.belowEpoch}`
  }
}

async function inSlices<Entry> (entries: readonly Entry[], act: (entry: Entry) => void): Promise<void> {
  for (let from = 0; from < entries.length; from += entriesAtOnce) {
    if (from > 0) await nextTurn()
    for (const entry of entries.slice(from, from + entriesAtOnce)) act(entry)
  }
}
