import type { Authentication } from '../../../lib/session/authentication.ts'
import type { RotationWindows, TokenFamily } from '../../../lib/session/rotation.ts'

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

/** In the place of a level of authentication, which is 0 at sign-in and rises by 1 with each step-up: nothing is judged by it. */
export const noLevel = 3
const farthest = oldest - 1

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
  /** The authentication in the record, and what a step-up has left there. */
  level = 0
  stepUp: { distance: number, prior: number } | null = null
  /** What really happened, by distance: the lowest authentication that a generation was handed out with, while it may be answered. */
  readonly own = [0, ...new Array<number>(farthest).fill(noLevel)]

  get generation (): number {
    return this.isFirst ? 1 : newestGeneration
  }

  /** `top`: the level that a step-up would reach now; lower ones were reached that much earlier. */
  toFamily (top: number): TokenFamily {
    const closed: TokenFamily['closed'] = []
    for (let distance = oldest - 1; distance > 0; distance--) {
      const age = this.closed[distance]!
      if (age !== null) closed.push([this.generation - distance, now - age])
    }
    return {
      generation: this.generation,
      received: this.received,
      rotatedAtMs: now - this.rotatedAge,
      holdUntilMs: this.holdLeft === holdOver ? 0 : now + this.holdLeft,
      closed,
      stepUp: this.stepUp === null ? null : { generation: this.generation - this.stepUp.distance, prior: authenticationOf(this.stepUp.prior, top) }
    }
  }

  /**
   * Takes over what the product made of the family. Answers by how many generations it went on. `hasGaps`: behind a clock that
   * stepped back a closing time may outlast younger ones; one that nobody holds the token of any more is left out then.
   */
  fromFamily (family: TokenFamily, top: number, hasGaps: boolean): number {
    const shift = family.generation - this.generation
    if (shift > 0) this.isFirst = false
    this.received = family.received
    this.rotatedAge = now - family.rotatedAtMs
    this.holdLeft = Math.max(holdOver, family.holdUntilMs - now)
    const { stepUp } = family
    this.stepUp = stepUp === null ? null : { distance: Math.min(family.generation - stepUp.generation, farthest), prior: levelOf(stepUp.prior, top) }
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
    this.state = state
    this.isFirst = false
    this.received = false
    this.rotatedAge = 0
    this.holdLeft = holdOver
    this.lastUsedAge = 0
    this.issuedAge = 0
    this.level = 0
    this.stepUp = null
    this.closed.fill(null)
    this.superseded.fill(null)
    this.own.fill(0)
  }

  copy (from: StoreWorld): void {
    this.state = from.state
    this.isFirst = from.isFirst
    this.received = from.received
    this.rotatedAge = from.rotatedAge
    this.holdLeft = from.holdLeft
    this.lastUsedAge = from.lastUsedAge
    this.issuedAge = from.issuedAge
    this.level = from.level
    this.stepUp = from.stepUp
    this.own[0] = from.own[0]!
    for (let distance = 1; distance < oldest; distance++) {
      this.closed[distance] = from.closed[distance]!
      this.superseded[distance] = from.superseded[distance]!
      this.own[distance] = from.own[distance]!
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
      if (age === null) continue
      this.superseded[distance] = Math.min(age + ticks, overlapMs + 1)
      // From here on it has to be refused, whatever it was handed out with.
      if (slack === 0 && age + ticks > overlapMs) this.own[distance] = noLevel
    }
  }

  get lowestLevel (): number {
    let lowest = Math.min(this.level, this.stepUp?.prior ?? noLevel)
    for (let distance = 0; distance < oldest; distance++) lowest = Math.min(lowest, this.own[distance]!)
    return lowest
  }

  lowerLevels (by: number): void {
    this.level -= by
    if (this.stepUp !== null) this.stepUp = { distance: this.stepUp.distance, prior: this.stepUp.prior - by }
    for (let distance = 0; distance < oldest; distance++) if (this.own[distance] !== noLevel) this.own[distance]! -= by
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
    let levels = this.stepUp === null ? 0 : this.stepUp.distance + 1 | this.stepUp.prior << 4
    levels |= this.level << 6
    for (let distance = 0; distance < oldest; distance++) levels |= this.own[distance]! << 8 + 2 * distance
    into[offset + 3] = levels
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
    const levels = from[offset + 3]!
    this.stepUp = (levels & 15) === 0 ? null : { distance: (levels & 15) - 1, prior: levels >> 4 & 3 }
    this.level = levels >> 6 & 3
    for (let distance = 0; distance < oldest; distance++) this.own[distance] = levels >> 8 + 2 * distance & 3
  }
}

/** Levels as the product's functions know them: the one that a step-up would reach now is of now. */
export function authenticationOf (level: number, top: number): Authentication {
  return { authTimeMs: now - top + level, acr: '1', amr: ['pwd'] }
}

export function levelOf ({ authTimeMs }: Authentication, top: number): number {
  return authTimeMs - now + top
}

/** A refresh or a step-up, an answer with the cookie of a generation, or one without; of either, what the access token in it is of. */
export type Phase = 'request' | 'step-up' | 'cookie' | 'plain'
export interface Message { phase: Phase, distance: number, age: number }
const messageBits = 9
const phases: readonly Phase[] = ['request', 'cookie', 'plain', 'step-up']

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
  /** How often the owner may still give the password. */
  stepUpsLeft = 0
  /** How often it has come with a request that reached the store. */
  stepUps = 0
  /** The lowest level that a generation was handed out with which a failover has forgotten. */
  aheadLevel = noLevel

  /** The newest generation went on: everything that is held or under way is that much older. */
  shift (by: number): void {
    if (by === 0) return
    if (by > 0) this.ahead = Math.max(0, this.ahead - by)
    this.jar = moved(this.jar, by)
    this.accessToken = moved(this.accessToken, by)
    for (const message of this.messages) message.distance = moved(message.distance, by)
  }

  /** Levels are told apart by their distances alone: the lowest one that still counts for something is 0. */
  #lowerLevels (hasStandby: boolean): void {
    const isStandbyLive = hasStandby && this.standby.state === 'live'
    const lowest = Math.min(this.aheadLevel, this.store.lowestLevel, isStandbyLive ? this.standby.lowestLevel : noLevel)
    if (lowest === 0) return
    this.stepUps -= lowest
    if (this.aheadLevel !== noLevel) this.aheadLevel -= lowest
    this.store.lowerLevels(lowest)
    if (isStandbyLive) this.standby.lowerLevels(lowest)
  }

  /** Two tabs are alike, so the order of what is under way says nothing. */
  write (into: Uint32Array, hasStandby: boolean): void {
    if (this.stepUps > 0 && this.store.state === 'live') this.#lowerLevels(hasStandby)
    this.store.write(into, 0)
    into[4] = this.#packMessages()
    into[5] = pack(this.jar) | pack(this.accessToken) << 4 | Number(this.isRobbed) << 8 | Number(this.canFailOver) << 9 | this.stepsBack << 11 | this.lifetime << 13 | this.standbyLag << 20 | this.ahead << 24 |
      this.stepUpsLeft << 26 | this.stepUps << 28 | this.aheadLevel << 30
    if (hasStandby) this.standby.write(into, 6)
  }

  read (from: Uint32Array, hasStandby: boolean): void {
    this.store.read(from, 0)
    this.messages.length = 0
    for (let packed = from[4]!; packed !== 0; packed >>>= messageBits) {
      this.messages.push({ phase: phases[(packed & 7) - 1]!, distance: (packed >> 3 & 15) + furthestAhead, age: packed >> 7 & 3 })
    }
    const rest = from[5]!
    this.jar = (rest & 15) + furthestAhead
    this.accessToken = (rest >> 4 & 15) + furthestAhead
    this.isRobbed = (rest >> 8 & 1) === 1
    this.canFailOver = (rest >> 9 & 1) === 1
    this.stepsBack = rest >> 11 & 3
    this.lifetime = rest >> 13 & 127
    this.standbyLag = rest >> 20 & 15
    this.ahead = rest >> 24 & 3
    this.stepUpsLeft = rest >> 26 & 3
    this.stepUps = rest >> 28 & 3
    this.aheadLevel = rest >>> 30
    if (hasStandby) this.standby.read(from, 6)
  }

  #packMessages (): number {
    if (this.messages.length === 0) return 0
    if (this.messages.length === 1) return packMessage(this.messages[0]!)
    const packed = this.messages.map(packMessage)
    packed.sort((a, b) => a - b)
    let word = 0
    for (const message of packed) word = word << messageBits | message
    return word
  }
}

function packMessage ({ phase, distance, age }: Message): number {
  return phases.indexOf(phase) + 1 | pack(distance) << 3 | age << 7
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
