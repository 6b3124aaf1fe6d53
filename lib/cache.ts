/** Key length, in characters, above which an entry counts as several entries. It bounds the cache in bytes too. */
const entryCharacters = 2048

/**
 * A bounded map that drops entries that were not used recently. It holds two generations and drops the older one when the younger one is
 * full. A hit costs one map lookup and moves no entry in a list.
 */
export class RecencyCache<Value> {
  readonly #size: number
  readonly #half: number
  #weight = 0
  #young = new Map<string, Value>()
  #old = new Map<string, Value>()

  /** `size` is the maximum number of entries, with keys of up to 2048 characters; 0 keeps none. */
  constructor (size: number) {
    this.#size = size
    this.#half = Math.max(1, Math.floor(size / 2))
  }

  get size (): number {
    return this.#young.size + this.#old.size
  }

  get (key: string): Value | undefined {
    const young = this.#young.get(key)
    if (young !== undefined) return young
    const old = this.#old.get(key)
    if (old !== undefined) this.set(key, old)
    return old
  }

  set (key: string, value: Value): void {
    if (this.#size === 0) return
    if (!this.#young.has(key)) {
      if (this.#weight >= this.#half) {
        this.#old = this.#size === 1 ? new Map() : this.#young
        this.#young = new Map()
        this.#weight = 0
      }
      this.#weight += weightOf(key)
    }
    this.#old.delete(key)
    this.#young.set(key, value)
  }

  delete (key: string): void {
    if (this.#young.delete(key)) this.#weight -= weightOf(key)
    this.#old.delete(key)
  }

  clear (): void {
    this.#weight = 0
    this.#young.clear()
    this.#old.clear()
  }

  * values (): Generator<Value> {
    yield * this.#young.values()
    yield * this.#old.values()
  }
}

function weightOf (key: string): number {
  return 1 + Math.floor(key.length / entryCharacters)
}
