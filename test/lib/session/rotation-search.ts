import type { Strength } from '../../../lib/session/authentication.ts'
import { maxClosed, receive, rotate, type FamilyOutcome, type RotationWindows, type TokenFamily } from '../../../lib/session/rotation.ts'
import { PackedStates } from './packed-states.ts'
import { authenticationOf, levelOf, noLevel, now, oldest, World, type Message, type StoreState } from './rotation-world.ts'

/*
 * A breadth-first search over everything that can happen around one token family: tabs of one browser that share a cookie jar,
 * requests and answers that are late or lost, somebody with copies of all tokens, clocks, a store that loses its last write.
 * What a presentation means is decided by the product's own function; here is only the world around it, and what must hold.
 */

/** What decides; the product's functions, or a broken copy of them that the search has to find out. */
export interface Rules {
  rotate: typeof rotate
  receive: typeof receive
  /** Whether the answer to a presentation carries a cookie, as plugins/refresh-token/refresh-tokens.ts gives one. */
  hasCookie: (outcome: FamilyOutcome) => boolean
  /** Which generation the access token of an answer without a cookie names, where this one was presented; both as distances. */
  heldDistance: (presented: number) => number
  /** What a note of a received token makes where there is no record. */
  receiveNothing: () => TokenFamily | null
}

export const productRules: Rules = {
  rotate,
  receive,
  hasCookie: outcome => outcome === 'rotated' || outcome === 'repeated' || outcome === 'recovered',
  heldDistance: presented => presented,
  receiveNothing: () => null
}

/** Times are in ticks, of which `overlapMs` has two or more. */
export interface Scenario {
  windows: RotationWindows
  idleTimeout: number
  /** Requests and answers that are under way at once: tabs, and what they no longer wait for. */
  messages: number
  /** Somebody has a copy of every token that was ever issued, and presents and uses them at will. */
  hasThief?: boolean
  /** How often the owner gives the password with a presentation, at most twice. */
  stepUps?: number
  /** Whether a failover may hand out a generation for the second time, and I8 still holds (it does not). */
  areTwinsJudged?: boolean
  /** Whether the store may fail over, once, and forget its last write. */
  canFailOver?: boolean
  /** Whether that may be several writes, of up to three generations, rather than one. */
  isStandbySlow?: boolean
  /** Whether what is under way may outlast a failover. */
  isFailoverInstant?: boolean
  /** How often the store's clock steps back by a tick. */
  stepsBack?: number
  /** Ticks to the absolute timeout; without it, the session may end at any time. */
  lifetime?: number
  /** The browser may be killed before it wrote its newest cookie to disk. */
  isBrowserKilled?: boolean
  limit?: number
  /** While so many closing times are remembered nobody refreshes: keeps a search small where fast refreshes are not its point. */
  backlog?: number
  /** For how many ticks rules of a mutant remember what ours have forgotten. */
  slack?: number
}

export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'I9'
/** What reached the store, for replaying: how long after the one before, and which generation, relative to the newest. */
export interface StoreStep { advanceMs: number, kind: 'rotate' | 'receive' | 'step-up', distance: number }

export interface SearchResult {
  states: number
  violation: { invariant: Invariant, what: string, trace: string[] } | null
  /** The way to a state, as the store sees it; 0 is the first. */
  traceTo: (state: number) => StoreStep[]
}

class Violation extends Error {
  readonly invariant: Invariant

  constructor (invariant: Invariant, message: string) {
    super(message)
    this.invariant = invariant
  }
}

const send = 0
const arrive = 1
const lose = 5
const use = 9
const end = 10
const failOver = 11
const stepBack = 12
const restoreJar = 13
const usedByThief = 14
const catchUp = 15
const stepUp = 16
const pass = 20
const presentedByThief = 40
/** Generations that a failover may lose and the product still goes on (lib/session/rotation.ts). */
const maxLostGenerations = 3
const defaultLimit = 16_000_000
/** A password proves as much as it did at sign-in: what differs is when. */
const fresh: Strength = { acr: '1', amr: ['pwd'] }

export function search (scenario: Scenario, rules: Rules = productRules): SearchResult {
  const model = new Model(scenario, rules)
  const states = new PackedStates(model.words, scenario.limit ?? defaultLimit)
  const packed = new Uint32Array(model.words)
  const next = new Uint32Array(model.words)
  model.start(packed)
  states.add(packed, null, 0)
  for (let index = 0; index < states.size; index++) {
    states.read(index, packed)
    for (const move of model.movesOf(packed)) {
      const violation = violationOf(() => { model.make(move, packed, next) })
      if (violation !== null) {
        const { invariant, message } = violation
        return { states: states.size, violation: { invariant, what: message, trace: model.describe([...states.pathTo(index), move]) }, traceTo }
      }
      states.add(next, index, move)
    }
  }
  function traceTo (state: number): StoreStep[] {
    return model.storeSteps(states.pathTo(state))
  }
  return { states: states.size, violation: null, traceTo }
}

/** The violation that was found and the shortest way to it; null when there is none. */
export function tell ({ violation }: SearchResult): string | null {
  return violation === null ? null : [`${violation.invariant}: ${violation.what}`, ...violation.trace].join('\n')
}

function violationOf (act: () => void): Violation | null {
  try {
    act()
    return null
  } catch (error) {
    if (error instanceof Violation) return error
    throw error
  }
}

class Model {
  readonly words: number
  readonly #scenario: Scenario
  readonly #rules: Rules
  readonly #world = new World()
  readonly #hasStandby: boolean
  readonly #slack: number
  readonly #hasGaps: boolean
  readonly #passes: readonly number[]
  readonly #moves: number[] = []
  /** Only while a path is told. */
  #log: string[] | null = null
  #steps: StoreStep[] | null = null
  #generation = 1
  #clock = 0
  #lastStepAt = 0

  constructor (scenario: Scenario, rules: Rules) {
    this.#scenario = scenario
    this.#rules = rules
    this.#hasStandby = scenario.canFailOver === true
    this.#slack = scenario.slack ?? ((scenario.stepsBack ?? 0) > 0 ? 1 : 0)
    this.#hasGaps = (scenario.stepsBack ?? 0) > 0
    const { overlapMs, retryWindowMs } = scenario.windows
    this.#passes = [...new Set([1, overlapMs + 1, retryWindowMs + 1])]
    this.words = this.#hasStandby ? 10 : 6
  }

  start (into: Uint32Array): void {
    const world = new World()
    world.canFailOver = this.#hasStandby
    world.stepsBack = this.#scenario.stepsBack ?? 0
    world.lifetime = this.#scenario.lifetime ?? 0
    world.stepUpsLeft = this.#scenario.stepUps ?? 0
    world.write(into, this.#hasStandby)
  }

  /** Every move that is possible; only up to the next call. */
  movesOf (state: Uint32Array): readonly number[] {
    const moves = this.#moves
    moves.length = 0
    this.#world.read(state, this.#hasStandby)
    this.#addMovesOfBrowser()
    if (this.#world.store.state !== 'live') return moves
    this.#addMovesOfStore()
    for (const ticks of this.#passes) moves.push(pass + ticks)
    if (this.#scenario.hasThief === true) this.#addMovesOfThief()
    return moves
  }

  /** Whether refreshes are not too fast for the scenario. */
  get #isCalm (): boolean {
    const { backlog } = this.#scenario
    return backlog === undefined || count(this.#world.store.closed) < backlog
  }

  #addMovesOfBrowser (): void {
    const { messages, jar, accessToken, store } = this.#world
    if (messages.length < this.#scenario.messages && this.#isCalm) this.#moves.push(send)
    if (messages.length < this.#scenario.messages && this.#isCalm && this.#world.stepUpsLeft > 0) this.#moves.push(stepUp)
    for (let index = 0; index < messages.length; index++) {
      if (index === 0 || !isSame(messages[index]!, messages[index - 1]!)) this.#moves.push(arrive + index, lose + index)
    }
    if (accessToken < 1) this.#moves.push(use)
    if (this.#scenario.isBrowserKilled === true && store.state === 'live' && jar === 0 && !store.isFirst) this.#moves.push(restoreJar)
  }

  #addMovesOfStore (): void {
    const { canFailOver, stepsBack } = this.#world
    if (this.#scenario.lifetime === undefined) this.#moves.push(end)
    if (canFailOver) this.#moves.push(failOver)
    if (canFailOver && this.#scenario.isStandbySlow === true) this.#moves.push(catchUp)
    if (stepsBack > 0) this.#moves.push(stepBack)
  }

  #addMovesOfThief (): void {
    const { store, ahead } = this.#world
    if (!store.received) this.#moves.push(usedByThief)
    for (let distance = this.#isCalm ? -ahead : 1; distance <= oldest; distance++) {
      if (isIssued(this.#world, distance)) this.#moves.push(presentedByThief + distance)
    }
  }

  make (move: number, from: Uint32Array, into: Uint32Array): void {
    this.#world.read(from, this.#hasStandby)
    this.#apply(move)
    this.#world.write(into, this.#hasStandby)
  }

  describe (path: readonly number[]): string[] {
    this.#log = []
    this.#replay(path)
    const log = this.#log
    this.#log = null
    return log
  }

  storeSteps (path: readonly number[]): StoreStep[] {
    this.#steps = []
    this.#replay(path)
    const steps = this.#steps
    this.#steps = null
    return steps
  }

  #replay (path: readonly number[]): void {
    const state = new Uint32Array(this.words)
    this.start(state)
    this.#generation = 1
    this.#clock = 0
    this.#lastStepAt = 0
    for (const move of path) {
      const violation = violationOf(() => { this.make(move, state, state) })
      if (violation !== null) this.#log?.push(`  ${violation.invariant}: ${violation.message}`)
    }
  }

  #apply (move: number): void {
    if (move >= presentedByThief - maxLostGenerations) return this.#robbed(() => { this.#present(move - presentedByThief, 'the thief') })
    if (move >= pass) return this.#pass(move - pass)
    if (move >= arrive && move < lose) return this.#arrive(move - arrive)
    if (move >= lose && move < use) return this.#lose(move - lose)
    this.#applyAlone(move)
  }

  /** The moves that are one each. */
  #applyAlone (move: number): void {
    const world = this.#world
    switch (move) {
      case send: return this.#send('request')
      case stepUp:
        world.stepUpsLeft--
        return this.#send('step-up')
      case use: return this.#note(world.accessToken, 'a tab')
      case usedByThief: return this.#robbed(() => this.#note(0, 'the thief'))
      case end:
        this.#tell(() => 'the session ends (signed out, or its absolute timeout)')
        return this.#end('over')
      case failOver: return this.#failOver()
      case catchUp:
        this.#tell(() => 'the standby of the store catches up')
        return this.#catchUp()
      case stepBack: return this.#stepBack()
      case restoreJar:
        world.jar = 1
        return this.#tell(() => `the browser is killed, and comes back with refresh token ${this.#name(1)}`)
    }
  }

  #send (phase: 'request' | 'step-up'): void {
    const { messages, jar } = this.#world
    messages.push({ phase, distance: jar, age: 0 })
    this.#tell(() => `a tab sends refresh token ${this.#name(jar)}${phase === 'step-up' ? ' and the password' : ''}`)
  }

  /** A request reaches the store, or an answer the browser. */
  #arrive (index: number): void {
    const world = this.#world
    const message = world.messages[index]!
    const { phase, distance } = message
    if (phase === 'request' || phase === 'step-up') {
      const outcome = this.#present(distance, 'a tab', phase === 'step-up')
      const isAnswered = outcome !== 'unknown' && outcome !== 'reused' && outcome !== 'expired'
      if (!isAnswered) {
        world.messages.splice(index, 1)
        return
      }
      message.phase = this.#rules.hasCookie(outcome) ? 'cookie' : 'plain'
      message.distance = message.phase === 'cookie' ? 0 : this.#rules.heldDistance(distance)
      return
    }
    this.#tell(() => phase === 'cookie' ? `the answer with refresh token ${this.#name(distance)} arrives` : 'the answer without a cookie arrives')
    if (phase === 'cookie') world.jar = distance
    world.accessToken = this.#usable(Math.min(world.accessToken, distance))
    world.messages.splice(index, 1)
  }

  #lose (index: number): void {
    const [message] = this.#world.messages.splice(index, 1)
    this.#tell(() => `the ${message!.phase === 'request' || message!.phase === 'step-up' ? 'request' : 'answer'} with ${this.#name(message!.distance)} is lost`)
  }

  /** An older one than the newest says nothing to the store, unless the newest may be forgotten. */
  #usable (distance: number): number {
    return distance > this.#forgettable ? oldest : distance
  }

  get #forgettable (): number {
    if (!this.#world.canFailOver) return 0
    return this.#scenario.isStandbySlow === true ? maxLostGenerations : 1
  }

  #pass (ticks: number): void {
    const world = this.#world
    const { windows, idleTimeout, lifetime } = this.#scenario
    this.#clock += ticks
    this.#tell(() => `${ticks} ${ticks === 1 ? 'tick passes' : 'ticks pass'}`)
    for (const message of world.messages) message.age += ticks
    // A request and its answer travel for `overlap` at most; what is later than that never comes.
    world.messages = world.messages.filter(({ age }) => age <= windows.overlapMs)
    if (world.store.state !== 'live') return
    world.store.pass(ticks, windows, this.#slack)
    if (world.canFailOver) world.standby.pass(ticks, windows, this.#slack)
    world.lifetime = Math.max(0, world.lifetime - ticks)
    if (world.store.lastUsedAge >= idleTimeout || (lifetime !== undefined && world.lifetime === 0)) this.#end('over')
  }

  #stepBack (): void {
    this.#tell(() => 'the store\'s clock steps back by a tick')
    this.#clock -= 1
    this.#world.stepsBack--
    this.#world.store.pass(-1, this.#scenario.windows, this.#slack)
    if (this.#world.canFailOver) this.#world.standby.pass(-1, this.#scenario.windows, this.#slack)
  }

  #failOver (): void {
    const world = this.#world
    this.#tell(() => 'the store fails over and has lost what its standby did not have')
    this.#forget()
    this.#shift(-world.standbyLag)
    this.#forgetStandby()
    // Nobody is answered while a store fails over, and that takes longer than a message may travel.
    if (this.#scenario.isFailoverInstant !== true) this.#pass(this.#scenario.windows.overlapMs + 1)
  }

  /** What was handed out stays handed out: a generation that is issued for the second time has a twin. */
  #forget (): void {
    const { store, standby, standbyLag } = this.#world
    const handedOut = [...store.own]
    store.copy(standby)
    this.#world.ahead = standbyLag
    this.#world.aheadLevel = Math.min(noLevel, ...handedOut.slice(0, standbyLag))
    for (let distance = 0; distance + standbyLag < oldest; distance++) store.own[distance] = Math.min(store.own[distance]!, handedOut[distance + standbyLag]!)
  }

  #robbed (act: () => void): void {
    this.#world.isRobbed = true
    act()
  }

  /** The access token of a generation is used at a gateway, which tells the store. */
  #note (distance: number, who: string): void {
    const { store } = this.#world
    const { windows } = this.#scenario
    this.#tell(() => `${who} uses the access token of generation ${this.#name(distance)}`)
    this.#step('receive', distance)
    if (distance === 0) this.#world.accessToken = this.#usable(oldest)
    if (store.state !== 'live') {
      if (this.#rules.receiveNothing() !== null) throw new Violation('I6', 'a session that had ended is back')
      return
    }
    const before = store.toFamily(this.#world.stepUps)
    const family = this.#rules.receive(before, store.generation - distance, now, windows)
    this.#assertNotes(before, family)
    if (family !== before) this.#beforeWrite()
    if (distance === 0) this.#supersede()
    store.fromFamily(family, this.#world.stepUps, this.#hasGaps)
  }

  /** What one atomic operation of a store does (stores/store.ts, rotate). Idleness has ended the session in `#pass`. */
  #present (distance: number, who: string, isFresh = false): FamilyOutcome | 'unknown' {
    const { store } = this.#world
    this.#step(isFresh ? 'step-up' : 'rotate', distance)
    if (store.state !== 'live') {
      this.#tell(() => `${who} presents ${this.#name(distance)}, which is refused: the session has ended`)
      return 'unknown'
    }
    if (isFresh) this.#world.stepUps++
    const top = this.#world.stepUps
    const before = store.toFamily(top)
    const presented = { generation: store.generation - distance, authentication: authenticationOf(store.level, top), ...isFresh ? { fresh } : {} }
    const transition = this.#rules.rotate(before, presented, now, this.#scenario.windows)
    const { outcome, family } = transition
    this.#tell(() => `${who} presents ${this.#name(distance)}${isFresh ? ' with the password' : ''}: ${outcome}${'granted' in transition ? `, authentication ${levelOf(transition.granted, top)}` : ''}`)
    this.#assertPresentation(distance, outcome, before, family)
    this.#beforeWrite()
    if (family === null) {
      this.#end(outcome === 'reused' ? 'revoked' : 'closed')
      return outcome
    }
    const own = this.#ownOf(distance)
    if (distance === 0) this.#supersede()
    store.lastUsedAge = Math.min(store.lastUsedAge, 0)
    store.level = levelOf(transition.authentication, top)
    const shift = store.fromFamily(family, top, this.#hasGaps)
    this.#handOut(outcome, shift)
    this.#shift(shift)
    this.#rememberIssue(outcome, distance)
    this.#assertOwn(isFresh ? top : own, levelOf(transition.granted, top), outcome)
    if (isFresh && levelOf(transition.granted, top) !== top) throw new Violation('I9', 'the password is right, and the answer does not show it')
    return outcome
  }

  /** The lowest authentication that a generation was handed out with. */
  #ownOf (distance: number): number {
    return distance < 0 ? this.#world.aheadLevel : this.#world.store.own[Math.min(distance, oldest - 1)]!
  }

  /** Notes what the newest generation is handed out with, for the first time or again. */
  #handOut (outcome: FamilyOutcome, shift: number): void {
    const { store, ahead, aheadLevel } = this.#world
    if (!this.#rules.hasCookie(outcome)) return
    const twin = ahead > 0 ? aheadLevel : noLevel
    if (shift === 0) {
      store.own[0] = Math.min(store.own[0]!, store.level)
      return
    }
    for (let to = oldest - 1; to > 0; to--) store.own[to] = to >= shift ? store.own[to - shift]! : Math.min(aheadLevel, store.level)
    store.own[0] = Math.min(twin, store.level)
  }

  /** I8 A copy never leads to a fresher authentication than its own without the password: by this answer, or by the cookie in it. */
  #assertOwn (own: number, granted: number, outcome: FamilyOutcome): void {
    const hasForgotten = this.#hasStandby && !this.#world.canFailOver
    if (hasForgotten && this.#scenario.areTwinsJudged !== true) return
    if (granted > own) throw new Violation('I8', `a copy with authentication ${own} is answered with ${granted}`)
    const { level } = this.#world.store
    if (this.#rules.hasCookie(outcome) && level > own) throw new Violation('I8', `a copy with authentication ${own} is given a cookie with ${level}`)
  }

  /** For good: processes that heard of it refuse the session, and tell a store that has forgotten it. */
  #end (state: StoreState): void {
    this.#world.store.end(state)
    this.#forgetStandby()
    this.#world.accessToken = this.#usable(this.#world.accessToken)
  }

  #forgetStandby (): void {
    this.#world.standby.end('over')
    this.#world.standbyLag = 0
    this.#world.canFailOver = false
  }

  /** The newest generation was seen in use: its predecessor is past, now at the latest. */
  #supersede (): void {
    const { store } = this.#world
    if (!store.isFirst) store.superseded[1] ??= 0
  }

  /** The newest generation is another one: what really happened is counted from there. */
  #rememberIssue (outcome: FamilyOutcome, distance: number): void {
    const { store } = this.#world
    if (outcome !== 'rotated' && outcome !== 'recovered') return
    const shift = outcome === 'rotated' ? 1 : 1 - distance
    store.issuedAge = 0
    for (let to = oldest - 1; to > 0; to--) store.superseded[to] = to > shift ? store.superseded[to - shift]! : null
    // Whoever presented it had received it; what the store forgot in between is past too.
    if (outcome === 'rotated') return
    for (let between = 2; between <= shift + 1; between++) store.superseded[between] ??= 0
  }

  #shift (by: number): void {
    this.#world.shift(by)
    this.#generation += by
    this.#world.accessToken = this.#usable(this.#world.accessToken)
    if (this.#world.canFailOver) this.#world.standbyLag += by
  }

  /** A standby has everything but the last write, or the last few. */
  #beforeWrite (): void {
    if (!this.#world.canFailOver) return
    if (this.#scenario.isStandbySlow !== true || this.#world.standbyLag === maxLostGenerations) this.#catchUp()
  }

  #catchUp (): void {
    this.#world.standby.copy(this.#world.store)
    this.#world.standbyLag = 0
  }

  #assertNotes (before: TokenFamily, after: TokenFamily): void {
    if (after.generation !== before.generation) throw new Violation('I1', 'a note has moved the newest generation')
  }

  #assertPresentation (distance: number, outcome: FamilyOutcome, before: TokenFamily, after: TokenFamily | null): void {
    const isRefused = outcome === 'reused' || outcome === 'expired'
    if (isRefused !== (after === null)) throw new Violation('I6', 'a session has ended and goes on')
    if (isRefused && this.#rules.hasCookie(outcome)) throw new Violation('I5', 'a refused refresh sets a cookie')
    if (after !== null) this.#assertOneLine(distance, outcome, before, after)
    this.#assertUnforgiven(distance, outcome)
    this.#assertHonest(distance, outcome)
  }

  /** I1 At any time at most one generation can be rotated, and there is one newest. */
  #assertOneLine (distance: number, outcome: FamilyOutcome, before: TokenFamily, after: TokenFamily): void {
    const goesOnBy = after.generation - before.generation
    const expected = outcome === 'rotated' ? 1 : outcome === 'recovered' ? 1 - distance : 0
    if (goesOnBy !== expected) throw new Violation('I1', `the newest generation moves by ${goesOnBy} where it is ${outcome}`)
    if (outcome === 'rotated' && distance !== 0) throw new Violation('I1', 'a generation is rotated that is not the newest')
    if (outcome === 'recovered' && distance >= 0) throw new Violation('I1', 'a generation is recovered that the store knows')
    if (Object.keys(after).length !== 6) throw new Violation('I4', 'a rotation changes more than the family')
    if (after.closed.length > maxClosed) throw new Violation('I1', 'the list of closing times has no bound')
  }

  /** I3 What is behind and outside the windows ends the session. I7 An answer that never came is no theft. */
  #assertUnforgiven (distance: number, outcome: FamilyOutcome): void {
    const { store } = this.#world
    const { overlapMs, retryWindowMs } = this.#scenario.windows
    if (distance < 1 || (this.#scenario.stepsBack ?? 0) > 0) return
    const age = distance >= oldest ? Infinity : store.superseded[distance]!
    if (age === null) {
      if (retryWindowMs === 0) return
      if (outcome === 'reused') throw new Violation('I7', 'a retry counts as theft, though the answer to it was never seen in use')
      if (store.issuedAge > retryWindowMs && outcome !== 'expired') throw new Violation('I3', 'a retry is answered after the retry window')
    } else if ((age > overlapMs || overlapMs === 0) && outcome !== 'reused') {
      throw new Violation('I3', `a generation whose successor was in use ${age} ticks ago is ${outcome}`)
    }
  }

  /** I2 An honest client is never signed out within the windows. */
  #assertHonest (distance: number, outcome: FamilyOutcome): void {
    const { overlapMs, retryWindowMs } = this.#scenario.windows
    if (this.#world.isRobbed || overlapMs === 0 || retryWindowMs === 0) return
    if (outcome === 'reused') throw new Violation('I2', 'an honest client is signed out as a thief')
    if (outcome === 'expired' && this.#world.store.issuedAge <= retryWindowMs) throw new Violation('I2', 'an honest client is signed out within the retry window')
    // Without the newest generation a client that was answered would be signed out when the retry window is over.
    const isRetry = distance === 1 && this.#world.store.superseded[1] === null
    if (isRetry && outcome !== 'expired' && !this.#rules.hasCookie(outcome)) throw new Violation('I2', 'a lost answer is repeated without the newest generation')
  }

  #tell (line: () => string): void {
    this.#log?.push(line())
  }

  #step (kind: StoreStep['kind'], distance: number): void {
    if (this.#world.store.state !== 'live') return
    this.#steps?.push({ advanceMs: this.#clock - this.#lastStepAt, kind, distance: -distance })
    this.#lastStepAt = this.#clock
  }

  /** The number of a generation, while a path is told. */
  #name (distance: number): string {
    return distance >= oldest ? 'an old one' : String(this.#generation - distance)
  }
}

function isSame (one: Message, other: Message): boolean {
  return one.phase === other.phase && one.distance === other.distance && one.age === other.age
}

/** Whether there ever was a generation of this distance. */
function isIssued ({ store, ahead }: World, distance: number): boolean {
  if (distance <= 0) return -distance <= ahead
  if (distance === 1) return !store.isFirst
  return store.superseded[Math.min(distance, oldest - 1)] !== null
}

function count (ages: ReadonlyArray<number | null>): number {
  let known = 0
  for (const age of ages) if (age !== null) known++
  return known
}
