/** Numbers that follow from a seed alone: the same seed, the same run, as far as answers allow. */
export class Random {
  readonly #seed: string
  #state: number

  constructor (seed: string) {
    this.#seed = seed
    this.#state = hash(seed)
  }

  /** Another sequence that follows from the same seed, so that nobody's numbers depend on how often others ask. */
  fork (name: string): Random {
    return new Random(`${this.#seed}/${name}`)
  }

  /** From 0 up to, not including, 1 (mulberry32). */
  next (): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  between (least: number, most: number): number {
    return least + this.next() * (most - least)
  }

  chance (probability: number): boolean {
    return this.next() < probability
  }

  pick<Item> (items: readonly Item[]): Item {
    return items[Math.floor(this.next() * items.length)]!
  }

  /** One of the names, each as often as its weight says. */
  weigh<Name extends string> (weights: Partial<Record<Name, number>>): Name {
    const entries = Object.entries(weights) as Array<[Name, number]>
    let rest = this.next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of entries) {
      rest -= weight
      if (rest < 0) return name
    }
    return entries.at(-1)![0]
  }
}

/** FNV-1a. */
function hash (text: string): number {
  let state = 0x811c9dc5
  for (const byte of Buffer.from(text)) state = Math.imul(state ^ byte, 0x01000193)
  return state
}
