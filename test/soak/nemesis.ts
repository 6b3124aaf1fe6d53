import { setTimeout as wait } from 'node:timers/promises'
import type { Drawn, FaultKinds } from './faults.ts'
import type { Random } from './random.ts'

export interface Injected { kind: string, /** After the beginning of the run. */ atMs: number, forMs: number }

const keptFaults = 10

/** Does one harmful thing after another, with time between them in which all has to be well again. */
export class Nemesis {
  /** The last ones. */
  readonly last: Injected[] = []
  readonly counts: Record<string, number> = {}
  /** Infinity while something is being done. */
  quietSinceMs = 0
  readonly #random: Random
  readonly #kinds: FaultKinds

  constructor (random: Random, kinds: FaultKinds) {
    this.#random = random
    this.#kinds = kinds
  }

  /** Goes on until told to stop; whatever is being done then is undone first. */
  async run (over: AbortSignal, startedAtMs: number): Promise<void> {
    const last = async (ms: number): Promise<void> => { await wait(ms, undefined, { signal: over }).catch(() => {}) }
    for (;;) {
      const { kind, afterMs, drawn } = this.#draw()
      await last(afterMs)
      if (over.aborted) return
      const beganAtMs = performance.now()
      this.quietSinceMs = Infinity
      await this.#kinds[kind]!.inject(drawn, last)
      this.quietSinceMs = performance.now()
      this.counts[kind] = (this.counts[kind] ?? 0) + 1
      this.last.push({ kind, atMs: Math.round(beganAtMs - startedAtMs), forMs: Math.round(this.quietSinceMs - beganAtMs) })
      if (this.last.length > keptFaults) this.last.shift()
    }
  }

  /** Decided before anything is known of what came before, so that it follows from the seed alone. */
  #draw (): { kind: string, afterMs: number, drawn: Drawn } {
    const random = this.#random
    return {
      afterMs: random.between(3000, 9000),
      kind: random.weigh(Object.fromEntries(Object.entries(this.#kinds).map(([kind, { weight }]) => [kind, weight]))),
      drawn: { place: random.chance(0.5) ? 0 : 1, forMs: random.between(500, 4500), amount: random.next() }
    }
  }
}
