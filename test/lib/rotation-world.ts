import type { RotationWindows, TokenFamily } from '../../lib/rotation.ts'

/*
 * One state of the world around one token family: what the store holds, what an honest browser holds, and what is under way.
 * Everything is relative, so that the world is finite: generations count back from the newest (a distance; below zero is ahead
 * of a store that has lost writes), times are ages in ticks. Only whether the newest generation is the very first is absolute.
 */

/** From here on all distances are one: older than anything that is ever remembered. */
export const oldest = 10
const furthestAhead = -3
/** An age that says "longer ago than matters". */
const longAgo = 6
const holdOver = -2
/** The instant at which every transition is judged; ages lead back from it. */
export const now = 1000
const newestGeneration = 100

export type StoreState = 'live' | 'revoked' | 'closed' | 'over'
const storeStates: readonly StoreState[] = ['live', 'revoked', 'closed', 'over']

/** The record, as the product keeps it, and beside it what really happened, as only the model knows. */
class StoreWorld {
  state: StoreState = 'live'
  /** Whether the newest generation is generation 1. */
  isFirst = true
  received = false
  rotatedAge = 0
  /** Below zero: no hold. */
  holdLeft = holdOver
  /** By distance: the age of the closing time that the record remembers, or null. */
  readonly closed = new Array<number | null>(oldest).fill(null)
  lastUsedAge = 0
  /** What really happened: how long ago the newest generation was issued. */
  issuedAge = 0
  /** What really happened, by distance: how long ago a later generation was first presented or used, or null for never. */
  readonly superseded = new Array<number | null>(oldest).fill(null)

  get generation (): number {
    return this.isFirst ? 1 : newestGeneration
  }

  toFamily (): TokenFamily {
    const closed: TokenFamily['closed'] = []
    for (let distance = oldest - 1; distance > 0; distance--) {
      const age = this.closed[distance]!
      if (age !== null) closed.push([this.generation - distance, now - age])
    }
    return { generation: this.generation, received: this.received, rotatedAtMs: now - this.rotatedAge, holdUntilMs: this.holdLeft === holdOver ? 0 : now + this.holdLeft, closed }
  }

  /**
   * Takes over what the product made of the family. Answers by how many generations it went on. `hasGaps`: behind a clock that
   * stepped back a closing time may outlast younger ones; one that nobody holds the token of any more is left out then.
   */
  fromFamily (family: TokenFamily, hasGaps: boolean): number {
    const shift = family.generation - this.generation
    if (shift > 0) this.isFirst = false
    this.received = family.received
    this.rotatedAge = now - family.rotatedAtMs
    this.holdLeft = Math.max(holdOver, family.holdUntilMs - now)
    this.closed.fill(null)
    for (const [generation, closedAtMs] of family.closed) {
      const distance = family.generation - generation
      if (distance < 1 || (distance >= oldest && !hasGaps)) throw new Error(`the model has no room for a closing time of distance ${distance}`)
      if (distance < oldest) this.closed[distance] = now - closedAtMs
    }
    return shift
  }

  /** What ended says nothing any more. */
  end (state: StoreState): void {
    Object.assign(this, { state, isFirst: false, received: false, rotatedAge: 0, holdLeft: holdOver, lastUsedAge: 0, issuedAge: 0 })
    this.closed.fill(null)
    this.superseded.fill(null)
  }

  copy (from: StoreWorld): void {
    this.state = from.state
    this.isFirst = from.isFirst
    this.received = from.received
    this.rotatedAge = from.rotatedAge
    this.holdLeft = from.holdLeft
    this.lastUsedAge = from.lastUsedAge
    this.issuedAge = from.issuedAge
    for (let distance = 1; distance < oldest; distance++) {
      this.closed[distance] = from.closed[distance]!
      this.superseded[distance] = from.superseded[distance]!
    }
  }

  /**
   * The clock goes on, or the store's alone steps back. What has been over for more than `slack` ticks is the same as never:
   * a clock that steps back, or rules that forget later than ours, may still tell them apart.
   */
  pass (ticks: number, { overlapMs, retryWindowMs }: RotationWindows, slack: number): void {
    this.rotatedAge = Math.min(this.rotatedAge + ticks, retryWindowMs + 1 + slack)
    this.lastUsedAge = Math.min(this.lastUsedAge + ticks, longAgo)
    if (this.holdLeft !== holdOver) this.holdLeft = this.holdLeft - ticks < -slack ? holdOver : this.holdLeft - ticks
    for (let distance = 1; distance < oldest; distance++) {
      const age = this.closed[distance]!
      if (age !== null) this.closed[distance] = age + ticks > overlapMs + slack ? null : age + ticks
    }
    if (ticks < 0) return
    this.issuedAge = Math.min(this.issuedAge + ticks, retryWindowMs + 1)
    for (let distance = 1; distance < oldest; distance++) {
      const age = this.superseded[distance]!
      if (age !== null) this.superseded[distance] = Math.min(age + ticks, overlapMs + 1)
    }
  }

  write (into: Uint32Array, offset: number): void {
    let closed = 0
    let superseded = 0
    for (let distance = 1; distance < oldest; distance++) {
      closed = closed * 8 + packAge(this.closed[distance]!)
      superseded = superseded * 8 + packAge(this.superseded[distance]!)
    }
    into[offset] = storeStates.indexOf(this.state) | Number(this.isFirst) << 2 | Number(this.received) << 3 | (this.rotatedAge + 1) << 4 |
      (this.holdLeft - holdOver) << 7 | (this.lastUsedAge + 1) << 10 | this.issuedAge << 13
    into[offset + 1] = closed
    into[offset + 2] = superseded
  }

  read (from: Uint32Array, offset: number): void {
    const head = from[offset]!
    this.state = storeStates[head & 3]!
    this.isFirst = (head >> 2 & 1) === 1
    this.received = (head >> 3 & 1) === 1
    this.rotatedAge = (head >> 4 & 7) - 1
    this.holdLeft = (head >> 7 & 7) + holdOver
    this.lastUsedAge = (head >> 10 & 7) - 1
    this.issuedAge = head >> 13 & 7
    let closed = from[offset + 1]!
    let superseded = from[offset + 2]!
    for (let distance = oldest - 1; distance > 0; distance--, closed >>>= 3, superseded >>>= 3) {
      this.closed[distance] = unpackAge(closed & 7)
      this.superseded[distance] = unpackAge(superseded & 7)
    }
  }
}

/** A request, an answer with the cookie of a generation, or one without; of either, what the access token in it is of. */
export type Phase = 'request' | 'cookie' | 'plain'
export interface Message { phase: Phase, distance: number, age: number }
const phases: readonly Phase[] = ['request', 'cookie', 'plain']

export class World {
  readonly store = new StoreWorld()
  /** What a standby of the store has: it lacks the last write. Only where the store may fail over. */
  readonly standby = new StoreWorld()
  /** How many generations the standby is behind. */
  standbyLag = 0
  /** Distance of the refresh token in the cookie jar that all tabs share. */
  jar = 0
  /** Distance of the newest access token that a tab has. */
  accessToken = oldest
  messages: Message[] = []
  /** Whether somebody else has presented or used a token. */
  isRobbed = false
  canFailOver = false
  /** How many generations a failover has forgotten that were issued. */
  ahead = 0
  stepsBack = 0
  /** Ticks until the absolute timeout. */
  lifetime = 0

  /** The newest generation went on: everything that is held or under way is that much older. */
  shift (by: number): void {
    if (by === 0) return
    if (by > 0) this.ahead = Math.max(0, this.ahead - by)
    this.jar = moved(this.jar, by)
    this.accessToken = moved(this.accessToken, by)
    for (const message of this.messages) message.distance = moved(message.distance, by)
  }

  /** Two tabs are alike, so the order of what is under way says nothing. */
  write (into: Uint32Array, hasStandby: boolean): void {
    this.store.write(into, 0)
    into[3] = this.#packMessages()
    into[4] = pack(this.jar) | pack(this.accessToken) << 4 | Number(this.isRobbed) << 8 | Number(this.canFailOver) << 9 | this.stepsBack << 11 | this.lifetime << 13 | this.standbyLag << 20 | this.ahead << 24
    if (hasStandby) this.standby.write(into, 5)
  }

  read (from: Uint32Array, hasStandby: boolean): void {
    this.store.read(from, 0)
    this.messages.length = 0
    for (let packed = from[3]!; packed !== 0; packed >>>= 8) {
      this.messages.push({ phase: phases[(packed & 3) - 1]!, distance: (packed >> 2 & 15) + furthestAhead, age: packed >> 6 & 3 })
    }
    const rest = from[4]!
    this.jar = (rest & 15) + furthestAhead
    this.accessToken = (rest >> 4 & 15) + furthestAhead
    this.isRobbed = (rest >> 8 & 1) === 1
    this.canFailOver = (rest >> 9 & 1) === 1
    this.stepsBack = rest >> 11 & 3
    this.lifetime = rest >> 13 & 127
    this.standbyLag = rest >> 20 & 15
    this.ahead = rest >> 24 & 3
    if (hasStandby) this.standby.read(from, 5)
  }

  #packMessages (): number {
    const packed = this.messages.map(({ phase, distance, age }) => phases.indexOf(phase) + 1 | pack(distance) << 2 | age << 6)
    packed.sort((a, b) => a - b)
    let word = 0
    for (const message of packed) word = word * 256 + message
    return word
  }
}

function moved (distance: number, by: number): number {
  return distance >= oldest ? oldest : Math.min(distance + by, oldest)
}

function pack (distance: number): number {
  if (distance < furthestAhead) throw new Error(`the model has no room for a generation that is ${-distance} ahead`)
  return distance - furthestAhead
}

/** Null, or -1 to 6. */
function packAge (age: number | null): number {
  return age === null ? 0 : age + 2 > 7 ? 7 : age + 2
}

function unpackAge (packed: number): number | null {
  return packed === 0 ? null : packed - 2
}
