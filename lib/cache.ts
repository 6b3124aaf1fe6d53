/**
 * A bounded map that forgets what was not asked for lately: two generations, the older one dropped when the younger is full.
 * A hit costs one map lookup; nothing is moved or linked on the way.
 */
export class RecencyCache<Value> {
  readonly #size: number
  readonly #half: number
  #young = new Map<string, Value>()
  #old = new Map<string, Value>()

  /** `size`: entries kept at most; 0 keeps none. */
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
    if (this.#young.size >= this.#half && !this.#young.has(key)) {
      this.#old = this.#size === 1 ? new Map() : this.#young
      this.#young = new Map()
    }
    this.#old.delete(key)
    this.#young.set(key, value)
  }

  delete (key: string): void {
    this.#young.delete(key)
    this.#old.delete(key)
  }

  clear (): void {
    this.#young.clear()
    this.#old.clear()
  }

  * values (): Generator<Value> {
    yield * this.#young.values()
    yield * this.#old.values()
  }
}
