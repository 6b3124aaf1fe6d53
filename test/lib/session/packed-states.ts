/*
 * The states that a breadth-first search has seen, in the order in which it found them: each a few 32-bit words, with the state
 * and the move that led to it. Typed arrays and open addressing, because millions of strings in a Set would take gigabytes.
 */
const firstCapacity = 1 << 16
const nobody = 0xffffffff

export class PackedStates {
  readonly words: number
  readonly #limit: number
  #count = 0
  #states: Uint32Array
  #parents: Uint32Array
  #moves: Uint8Array
  /** Index of a state plus one; 0: free. Twice as many places as states. */
  #table: Uint32Array

  /** At most `limit` states of `words` words: a search that outgrows it fails instead of eating the machine's memory. */
  constructor (words: number, limit: number) {
    this.words = words
    this.#limit = limit
    this.#states = new Uint32Array(firstCapacity * words)
    this.#parents = new Uint32Array(firstCapacity)
    this.#moves = new Uint8Array(firstCapacity)
    this.#table = new Uint32Array(firstCapacity * 2)
  }

  get size (): number {
    return this.#count
  }

  /** False when the state is known already. */
  add (state: Uint32Array, parent: number | null, move: number): boolean {
    if (this.#count === this.#parents.length) this.#grow()
    const place = this.#find(state, 0)
    if (this.#table[place] !== 0) return false
    const index = this.#count++
    for (let word = 0; word < this.words; word++) this.#states[index * this.words + word] = state[word]!
    this.#parents[index] = parent ?? nobody
    this.#moves[index] = move
    this.#table[place] = index + 1
    return true
  }

  read (index: number, into: Uint32Array): void {
    for (let word = 0; word < this.words; word++) into[word] = this.#states[index * this.words + word]!
  }

  /** The moves from the first state to this one. */
  pathTo (index: number): number[] {
    const path: number[] = []
    for (let at = index; this.#parents[at] !== nobody; at = this.#parents[at]!) path.push(this.#moves[at]!)
    return path.reverse()
  }

  /** The place of the state that starts at `offset`, or the free one where it belongs. */
  #find (state: Uint32Array, offset: number): number {
    const mask = this.#table.length - 1
    let hash = 0
    for (let word = 0; word < this.words; word++) {
      hash = Math.imul(hash ^ state[offset + word]!, 0x9e3779b1)
      hash ^= hash >>> 15
    }
    let place = Math.imul(hash, 0x85ebca6b) >>> 7 & mask
    while (this.#table[place] !== 0 && !this.#isAt(this.#table[place]! - 1, state, offset)) place = (place + 1) & mask
    return place
  }

  #isAt (index: number, state: Uint32Array, offset: number): boolean {
    for (let word = 0; word < this.words; word++) if (this.#states[index * this.words + word] !== state[offset + word]) return false
    return true
  }

  #grow (): void {
    if (this.#count >= this.#limit) throw new Error(`the search has more than ${this.#limit} states`)
    const capacity = this.#count * 2
    const states = new Uint32Array(capacity * this.words)
    states.set(this.#states)
    const parents = new Uint32Array(capacity)
    parents.set(this.#parents)
    const moves = new Uint8Array(capacity)
    moves.set(this.#moves)
    this.#states = states
    this.#parents = parents
    this.#moves = moves
    this.#table = new Uint32Array(capacity * 2)
    for (let index = 0; index < this.#count; index++) this.#table[this.#find(states, index * this.words)] = index + 1
  }
}
