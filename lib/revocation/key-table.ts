import { randomInt } from 'node:crypto'

/*
 * A table of 128-bit keys for millions of entries. Each entry has an end in seconds and optionally a few more words.
 * Entries are stored in typed arrays, which the garbage collector does not scan, with open addressing, and no operation takes long. The low
 * bits of the hash spread the keys over segments of one size. A full segment is cleaned of ended entries or split in two (extendible
 * hashing), so growth copies one segment at a time and never holds the whole memory twice. Entries are not deleted singly: a segment is
 * cleaned as a whole.
 * Ends are stored with the keys. A separate table for each time span could be dropped at once, but a lookup would have to search every one
 * of them.
 */

export interface KeyTableOptions {
  /** Number of words stored with each key. */
  payloadWords?: number
  /** Slots of a segment, and maximum number of slots that a search visits; a power of two, at most 2048. */
  slots?: number
  /** Maximum number of hash bits that select the segment. Beyond it, which requires very many keys of one hash, a segment grows instead. */
  maxDepth?: number
  /** Seed of the hash; must be unknown to clients that choose keys. */
  seed?: number
}

interface Segment {
  cells: Int32Array
  used: number
  /** Number of low hash bits that all keys of the segment share, and the value of these bits. */
  depth: number
  prefix: number
  /** No entry of the segment ends earlier. */
  earliest: number
}

/** Number of 32-bit words of a key. */
export const keyWords = 4
/** Offset of the end of an entry, in seconds since the epoch; an end of 0 marks a free slot. */
const endAt = 4
const payloadAt = 5
export const forever = 0xffffffff

/** Shares of used slots. A segment above `fullest` is split; two segments that together are below `emptiest` are merged. */
const fullest = 0.8
const emptiest = 0.4
/**
 * Distribution of the lowest two bits of a hash. Their values have the probabilities 1 : 2^¼ : 2^½ : 2^¾. Segments with equal shares would
 * all be split at the same time and be half empty afterwards; with unequal shares, some segments are always full.
 */
const groups = Uint8Array.from({ length: 256 }, (_, part) => part < 48 ? 0 : part < 106 ? 1 : part < 175 ? 2 : 3)

/** Limits of one call of `expire`, so that no call takes longer than about a millisecond. */
const cleanedAtOnce = 16
const visitedAtOnce = 4096

export class KeyTable {
  /** Cells of the segment whose entry was found or put last. */
  cells: Int32Array
  readonly #stride: number
  readonly #slots: number
  readonly #maxDepth: number
  readonly #seed: number
  /** Segments, indexed by the low `#depth` bits of the hash. A segment of fewer bits appears more than once. */
  #directory: Segment[]
  /** Cells of each segment in `#directory`, which save a lookup the access to the segment. */
  #cellsOf: Int32Array[]
  #depth = 0
  #size = 0
  #byteLength = 0
  #cursor = 0
  /** Entries that end at or before this second have ended. */
  #horizon = 0
  /** Buffer for the segment that is being rebuilt. */
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

  /** Number of keys that were not cleaned: all that are in force, and some that ended recently. */
  get size (): number {
    return this.#size
  }

  get byteLength (): number {
    return this.#byteLength + this.#scratch.byteLength
  }

  has (key: Int32Array, from: number): boolean {
    return this.find(key, from) >= 0
  }

  /** Returns the offset of a key's entry in `cells`, or -1. The offset is valid until the next `put` or `expire`. */
  find (key: Int32Array, from: number): number {
    if (this.#size === 0) return -1
    const at = this.#locate(key, from)
    return at >= 0 && this.cells[at + endAt]! >>> 0 > this.#horizon ? at : -1
  }

  /** Adds the entry, or extends an existing one. An end that has passed takes effect at the next call of `expire`. */
  raise (key: Int32Array, from: number, endSeconds: number): void {
    const at = this.find(key, from)
    if (at < 0 || this.cells[at + endAt]! >>> 0 < endSeconds) this.put(key, from, endSeconds)
  }

  /** Adds the entry, or changes the end of an existing one, which may shorten it. Returns the offset of its payload in `cells`. */
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

  /** Ends every entry whose end is at or before this second. Its memory is released a few segments at a time, over the next calls. */
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
   * Yields the entries in force, segment by segment: `cells` and the offsets of the entries in it. Entries that are put meanwhile may be
   * missing; earlier entries are not. `expire` must not be called meanwhile.
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

  /** Returns the segment of the key, with room for one more entry. */
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

  /** Puts a segment into each of its places in the directory. */
  #enter (segment: Segment): void {
    for (let index = segment.prefix; index < this.#directory.length; index += 1 << segment.depth) {
      this.#directory[index] = segment
      this.#cellsOf[index] = segment.cells
    }
  }

  #clean (segment: Segment): void {
    this.#rebuild(segment, segment.cells.length)
  }

  /** Merges a segment with its sibling if both have few entries left, and repeats this with the merged segment. */
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

  /** Inserts the entries of a segment where they now belong, and drops ended entries. */
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

  /** Writes the key into the first free slot of its probe sequence, and returns the offset of that slot. */
  #insert (cells: Int32Array, key: Int32Array, from: number, hash: number): number {
    const stride = this.#stride
    let at = this.#slotOf(hash)
    while (cells[at + endAt] !== 0) at = nextSlot(at, cells, stride)
    for (let word = 0; word < keyWords; word++) cells[at + word] = key[from + word]!
    cells.fill(0, at + keyWords, at + stride)
    return at
  }

  /** Returns the offset at which a search begins. The high bits of the hash select it, because the low bits select the segment. */
  #slotOf (hash: number): number {
    return (hash >>> 21 & (this.#slots - 1)) * this.#stride
  }
}

function nextSlot (at: number, { length }: Int32Array, stride: number): number {
  return at + stride === length ? 0 : at + stride
}
