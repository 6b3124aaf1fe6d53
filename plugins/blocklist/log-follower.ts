import { setImmediate as nextTurn } from 'node:timers/promises'
import { StoreUnavailableError } from '../../lib/errors.ts'
import { publish } from '../../lib/events.ts'
import { Replica } from '../../lib/revocation/replica.ts'
import { SteadyClock } from './steady-clock.ts'
import type { LogEntry, Revocation } from '../../lib/revocation/entries.ts'
import type { Store } from '../../stores/store.ts'
import { Reassertion } from './reassertion.ts'

/** Requests are answered between as many entries: a snapshot may be of millions. */
const entriesAtOnce = 500

/** Follows the store's revocation log into a replica, and knows how long ago it last heard from the store. */
export class LogFollower {
  readonly replica = new Replica()
  readonly #reassertion: Reassertion
  /** Revocations that this process made, and has not met in the log yet. */
  readonly #unechoed = new Map<string, { revocation: Revocation, notedAtMs: number }>()
  readonly #store: Store
  readonly #maxStalenessMs: number
  /** The store's time, for what it knows: a step ahead of its clock must not end a revocation while tokens that it ends are good. */
  readonly #clock: SteadyClock
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

  /** `longestMs`: how long a revocation may last. `where`: whose events they are when the store goes away and comes back. */
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

  /** Loads all revocations in force, then follows. Rejects when the store cannot be read. */
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
   * What this process has made true itself: it counts here at once, and has to come back through the log. What ended before is not
   * logged again: to wait for it would be to take it for lost, and whoever signs out again and again would have it said as often.
   */
  note (entry: LogEntry): void {
    if (isRevocation(entry) && !this.replica.has(entry)) this.#unechoed.set(nameOf(entry), { revocation: entry, notedAtMs: performance.now() })
    this.#apply(entry)
  }

  #apply (entry: LogEntry): void {
    if (isRevocation(entry)) this.replica.add(entry)
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
   * What was acknowledged and is not in the log is lost: a failover brought up a replica that had not got it. The log as such goes on
   * there, so nothing else tells.
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

  /** Loads the replica anew, then tells everybody that what they cached counts no more; and tells the store what it has lost. */
  async #load (): Promise<void> {
    const startedAtMs = performance.now()
    const known = this.#position === '' ? null : new Replica()
    // Revocations that this process knows stay: the store may have lost them.
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

  /** Those of these that the store does not know, or not any more. Apart from the replica, which is purged meanwhile. */
  async #lostBy (revocations: Revocation[]): Promise<Revocation[]> {
    const known = new Replica()
    await this.#store.snapshot(async page => await inSlices(page, revocation => known.add(revocation)))
    const lost: Revocation[] = []
    await inSlices(revocations, revocation => { if (!known.has(revocation)) lost.push(revocation) })
    return lost
  }

  /** What this process knows, and the store does not. Only while nothing is pulled, because that purges the replica. */
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

/** The same for the same statement, however often it is made. */
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
