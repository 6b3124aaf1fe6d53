import { randomInt } from 'node:crypto'

/*
 * A table of 128-bit keys, each with the second at which it ends and perhaps a few words more, for millions of them: typed arrays
 * that the garbage collector need not look into, open addressing, and no step that takes long. Keys are spread over segments of
 * one size by the low bits of their hash. A full segment is cleaned of what has ended, or split in two (extendible hashing), so
 * growth copies one segment at a time, and memory is never held twice. Nothing is deleted singly: a segment is cleaned as a whole.
 * Ends are kept with the keys, not a table for each span of time that could be dropped at once: that would take a search in every
 * one of them for each look-up.
 */

export interface KeyTableOptions {
  /** Words that go with each key. */
  payloadWords?: number
  /** Keys that a segment has room for, and that a search may pass; a power of two, at most 2048. */
  slots?: number
  /** Bits of the hash that choose the segment. Beyond it, which needs very many keys of one hash, a segment grows instead. */
  maxDepth?: number
  /** Of the hash: unknown to whoever chooses keys. */
  seed?: number
}

interface Segment {
  cells: Int32Array
  used: number
  /** Low bits of the hash that all its keys share, and what they are. */
  depth: number
  prefix: number
  /** Nothing in it ends earlier. */
  earliest: number
}

/** Of 32 bits. */
export const keyWords = 4
/** Where the end of an entry is, in seconds since the epoch; 0: the slot is free. */
const endAt = 4
const payloadAt = 5
export const forever = 0xffffffff

/** A share of the slots: above the first a segment is split, below the second two are merged. */
const fullest = 0.8
const emptiest = 0.4
/**
 * The lowest two bits of a hash are not equally probable, but as 1 : 2^¼ : 2^½ : 2^¾. Segments of equal shares would all be split
 * at the same time, and half empty after it; of these a part is always full.
 */
const groups = Uint8Array.from({ length: 256 }, (_, part) => part < 48 ? 0 : part < 106 ? 1 : part < 175 ? 2 : 3)

/** In one call of `expire`, so that none takes long: about a millisecond. */
const cleanedAtOnce = 16
const visitedAtOnce = 4096

export class KeyTable {
  /** The segment of the entry that was found or put last. */
  cells: Int32Array
  readonly #stride: number
  readonly #slots: number
  readonly #maxDepth: number
  readonly #seed: number
  /** By the low `#depth` bits of the hash; a segment of fewer bits is there more than once. */
  #directory: Segment[]
  /** The same, without the way through the segment. */
  #cellsOf: Int32Array[]
  #depth = 0
  #size = 0
  #byteLength = 0
  #cursor = 0
  /** What ends at it or before has ended. */
  #horizon = 0
  /** For the segment that is being rebuilt. */
  #scratch: Int32Array

  constructor ({ payloadWords = 0, slots = 2048, maxDepth = 20, seed = randomInt(2 ** 32) }: KeyTableOptions = {}) {
    this.#stride = payloadAt + payloadWords
    this.#slots = slots
    this.#maxDepth = maxDepth
    this.#seed = seed
    const first = this.#createSegment(0, 0)
    this.#directory = [first]
    this.#cellsOf = [first.cells]
    this.cells = first.cells
    this.#scratch = new Int32Array(first.cells.length)
  }

  /** Keys that have not been cleaned away: all that are in force, and some that ended a short time ago. */
  get size (): number {
    return this.#size
  }

  get byteLength (): number {
    return this.#byteLength + this.#scratch.byteLength
  }

  has (key: Int32Array, from: number): boolean {
    return this.find(key, from) >= 0
  }

  /** Where the entry of a key is in `cells`, or -1. Only until the next `put` or `expire`. */
  find (key: Int32Array, from: number): number {
    if (this.#size === 0) return -1
    const at = this.#locate(key, from)
    return at >= 0 && this.cells[at + endAt]! >>> 0 > this.#horizon ? at : -1
  }

  /** Makes the entry of a key end at this second and not before; one that is over already, at the next call of `expire`. */
  raise (key: Int32Array, from: number, endSeconds: number): void {
    const at = this.find(key, from)
    if (at < 0 || this.cells[at + endAt]! >>> 0 < endSeconds) this.put(key, from, endSeconds)
  }

  /** The same, but an entry that is there may end sooner by it too. Answers where its payload is in `cells`. */
  put (key: Int32Array, from: number, endSeconds: number): number {
    const end = Math.min(Math.max(endSeconds, this.#horizon + 1), forever)
    let segment = this.#segmentOf(key, from)
    let at = this.#locate(key, from)
    if (at < 0) {
      segment = this.#withRoom(segment, key, from)
      at = this.#insert(segment.cells, key, from, this.#hash(key, from))
      segment.used++
      this.#size++
    }
    segment.cells[at + endAt] = end
    segment.earliest = Math.min(segment.earliest, end)
    this.cells = segment.cells
    return at + payloadAt
  }

  payloadOf (at: number): number {
    return at + payloadAt
  }

  /**
   * What ends at this second or before is found no more. Its memory comes back a few segments at a time, over the next calls.
   */
  expire (nowSeconds: number): void {
    this.#horizon = Math.max(0, Math.min(nowSeconds, forever - 1))
    let cleaned = 0
    for (let visited = Math.min(visitedAtOnce, this.#directory.length); visited > 0 && cleaned < cleanedAtOnce; visited--) {
      this.#cursor = (this.#cursor + 1) % this.#directory.length
      const segment = this.#directory[this.#cursor]!
      if (segment.prefix !== this.#cursor || segment.earliest > this.#horizon) continue
      this.#clean(segment)
      this.#mergeWithSibling(segment)
      cleaned++
    }
  }

  /**
   * What is in force, segment by segment: `cells` and where its entries are. What is put meanwhile may or may not be among it, and what
   * was there before is; `expire` must not be called.
   */
  * segments (): Generator<{ cells: Int32Array, entries: number[] }> {
    for (let index = 0; index < this.#directory.length; index++) {
      const segment = this.#directory[index]!
      if (segment.prefix !== index) continue
      const { cells } = segment
      const entries: number[] = []
      for (let at = 0; at < cells.length; at += this.#stride) if (cells[at + endAt]! >>> 0 > this.#horizon) entries.push(at)
      yield { cells, entries }
    }
  }

  endOf (cells: Int32Array, at: number): number {
    return cells[at + endAt]! >>> 0
  }

  #locate (key: Int32Array, from: number): number {
    const hash = this.#hash(key, from)
    const cells = this.cells = this.#cellsOf[hash & (this.#directory.length - 1)]!
    const stride = this.#stride
    const first = key[from]!
    for (let at = this.#slotOf(hash); cells[at + endAt] !== 0; at = nextSlot(at, cells, stride)) {
      if (cells[at] === first && cells[at + 1] === key[from + 1] && cells[at + 2] === key[from + 2] && cells[at + 3] === key[from + 3]) return at
    }
    return -1
  }

  #segmentOf (key: Int32Array, from: number): Segment {
    return this.#directory[this.#hash(key, from) & (this.#directory.length - 1)]!
  }

  #hash (key: Int32Array, from: number): number {
    let hash = this.#seed
    for (let word = from; word < from + keyWords; word++) {
      hash = Math.imul(hash ^ key[word]!, 0x85ebca6b)
      hash ^= hash >>> 13
      hash = Math.imul(hash, 0xc2b2ae35)
      hash ^= hash >>> 16
    }
    return (hash & ~3 | groups[Math.imul(hash, 0x9e3779b1) >>> 24]!) >>> 0
  }

  /** The segment where the key belongs, with a free slot more than it needs. */
  #withRoom (full: Segment, key: Int32Array, from: number): Segment {
    let segment = full
    while (this.#isFull(segment)) {
      if (segment.earliest <= this.#horizon) this.#clean(segment)
      if (segment.used < this.#roomIn(segment) * 0.75) break
      if (segment.depth < this.#maxDepth) this.#split(segment)
      else this.#rebuild(segment, segment.cells.length * 2)
      segment = this.#segmentOf(key, from)
    }
    return segment
  }

  #roomIn ({ cells }: Segment): number {
    return cells.length / this.#stride * fullest
  }

  #isFull (segment: Segment): boolean {
    return segment.used + 1 > this.#roomIn(segment)
  }

  #split (segment: Segment): void {
    if (segment.depth === this.#depth) this.#doubleDirectory()
    const sibling = this.#createSegment(segment.depth + 1, segment.prefix | 1 << segment.depth)
    segment.depth++
    this.#enter(sibling)
    this.#rebuild(segment, segment.cells.length)
  }

  #doubleDirectory (): void {
    this.#directory = this.#directory.concat(this.#directory)
    this.#cellsOf = this.#cellsOf.concat(this.#cellsOf)
    this.#depth++
  }

  /** Puts a segment into every place of the directory that is its own. */
  #enter (segment: Segment): void {
    for (let index = segment.prefix; index < this.#directory.length; index += 1 << segment.depth) {
      this.#directory[index] = segment
      this.#cellsOf[index] = segment.cells
    }
  }

  #clean (segment: Segment): void {
    this.#rebuild(segment, segment.cells.length)
  }

  /** Two halves that have little left become one again, and that one perhaps with its other half. */
  #mergeWithSibling (segment: Segment): void {
    for (let merged = segment; merged.depth > 0;) {
      const bit = 1 << (merged.depth - 1)
      const sibling = this.#directory[merged.prefix ^ bit]!
      if (!this.#canMerge(merged, sibling)) return
      const [kept, given] = (merged.prefix & bit) === 0 ? [merged, sibling] : [sibling, merged]
      kept.depth--
      this.#enter(kept)
      this.#byteLength -= given.cells.byteLength
      this.#size -= given.used
      this.#insertAll(given.cells)
      merged = kept
    }
  }

  #canMerge (one: Segment, other: Segment): boolean {
    const length = this.#slots * this.#stride
    return one.depth === other.depth && one.used + other.used <= this.#slots * emptiest && one.cells.length === length && other.cells.length === length
  }

  /** Enters what a segment has where it belongs now, and leaves out what has ended. */
  #rebuild (segment: Segment, length: number): void {
    const { cells } = segment
    if (this.#scratch.length < cells.length) this.#scratch = new Int32Array(cells.length)
    this.#scratch.set(cells)
    const before = this.#scratch.subarray(0, cells.length)
    if (length === cells.length) cells.fill(0)
    else this.#replaceCells(segment, length)
    this.#size -= segment.used
    segment.used = 0
    segment.earliest = forever
    this.#insertAll(before)
  }

  #replaceCells (segment: Segment, length: number): void {
    this.#byteLength -= segment.cells.byteLength
    segment.cells = new Int32Array(length)
    this.#byteLength += segment.cells.byteLength
    this.#enter(segment)
  }

  #insertAll (entries: Int32Array): void {
    const stride = this.#stride
    for (let from = 0; from < entries.length; from += stride) {
      const end = entries[from + endAt]! >>> 0
      if (end <= this.#horizon) continue
      const hash = this.#hash(entries, from)
      const segment = this.#directory[hash & (this.#directory.length - 1)]!
      const at = this.#insert(segment.cells, entries, from, hash)
      for (let word = endAt; word < stride; word++) segment.cells[at + word] = entries[from + word]!
      segment.used++
      segment.earliest = Math.min(segment.earliest, end)
      this.#size++
    }
  }

  #createSegment (depth: number, prefix: number): Segment {
    const cells = new Int32Array(this.#slots * this.#stride)
    this.#byteLength += cells.byteLength
    return { cells, used: 0, depth, prefix, earliest: forever }
  }

  /** Writes the key into the first free slot of its way, and answers where. */
  #insert (cells: Int32Array, key: Int32Array, from: number, hash: number): number {
    const stride = this.#stride
    let at = this.#slotOf(hash)
    while (cells[at + endAt] !== 0) at = nextSlot(at, cells, stride)
    for (let word = 0; word < keyWords; word++) cells[at + word] = key[from + word]!
    cells.fill(0, at + keyWords, at + stride)
    return at
  }

  /** Where a search begins: by the high bits of the hash, because the low ones have chosen the segment. */
  #slotOf (hash: number): number {
    return (hash >>> 21 & (this.#slots - 1)) * this.#stride
  }
}

function nextSlot (at: number, { length }: Int32Array, stride: number): number {
  return at + stride === length ? 0 : at + stride
}
