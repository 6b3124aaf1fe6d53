/*
 * Refresh rotation as a pure function: the one place that decides what a presented refresh token means.
 * SQLite calls it inside its transaction; stores/redis/rotate.lua says the same in Lua and is held to it by replaying traces.
 */

import { covers, strengthen, type Authentication, type Strength } from './authentication.ts'

/** The refresh tokens of one session: one newest generation, and what is needed to tell a late honest tab from a thief. */
export interface TokenFamily {
  /** Newest issued generation; the first is 1. */
  generation: number
  /** Whether the newest generation was proven received: it, or an access token issued with it, was presented. */
  received: boolean
  /** When the newest generation was issued. */
  rotatedAtMs: number
  /** Until when the newest generation is not advanced. */
  holdUntilMs: number
  /** Superseded generations and when their successor was proven received, oldest first, only those within `overlapMs`. */
  closed: Array<[generation: number, closedAtMs: number]>
  /**
   * The generation that the last step-up issued, while an older one may still be answered, and the authentication that the older ones are
   * answered with. Of several step-ups it is the one before the first: an authentication that is older than need be gives nothing away.
   */
  stepUp: { generation: number, prior: Authentication } | null
}

/** What is presented: a generation, to a record with this authentication, by a subject that has just authenticated again or has not. */
export interface Presentation {
  generation: number
  authentication: Authentication
  fresh?: Strength
}

export interface RotationWindows {
  /** How long a superseded generation is still honoured after its successor was received (parallel tabs). 0: never. */
  overlapMs: number
  /** How long the predecessor of a generation that was never received is honoured (lost responses). 0: never. */
  retryWindowMs: number
}

export type FamilyOutcome = 'rotated' | 'held' | 'repeated' | 'recovered' | 'expired' | 'reused'

export type Transition =
  /**
   * `authentication` is the record's from now on: that of the newest generation. `granted` is what the answer's access token may show.
   * `held` gives an access token alone, of the generation that was presented; the others give the newest generation too.
   */
  | { outcome: 'rotated' | 'held' | 'repeated' | 'recovered', family: TokenFamily, authentication: Authentication, granted: Authentication }
  /** `expired`: the session ends, nobody is accused. `reused`: it is revoked. */
  | { outcome: 'expired' | 'reused', family: null }

/** While this many closing times are remembered the newest generation is held, so the list is bounded. */
export const maxClosed = 8
/** How far ahead of the store a genuine generation may be: acknowledged writes that a failover lost. */
const maxLostGenerations = 3

export function openFamily (nowMs: number): TokenFamily {
  return { generation: 1, received: false, rotatedAtMs: nowMs, holdUntilMs: 0, closed: [], stepUp: null }
}

/**
 * Decides what the presentation of a generation, whose MAC is right, does to the family.
 *
 * The authentication of a generation is fixed when it is issued: a copy of a refresh token never leads to a more recent or a stronger one
 * without the password. So a step-up counts for a generation that it issues itself; where none is issued (`held`, `repeated`), it counts
 * for the access token of its answer alone.
 */
export function rotate (family: TokenFamily, presented: Presentation, nowMs: number, windows: RotationWindows): Transition {
  const { generation } = presented
  if (generation > family.generation + maxLostGenerations) return { outcome: 'reused', family: null }
  if (generation > family.generation) return issue('recovered', recover(family, generation, nowMs, windows), presented, nowMs)
  if (generation === family.generation) return presentNewest(family, presented, nowMs, windows)
  return presentSuperseded(prune(family, nowMs, windows), presented, nowMs, windows)
}

/** Notes that the newest generation reached the client, because something issued with it was presented. */
export function receive (family: TokenFamily, generation: number, nowMs: number, windows: RotationWindows): TokenFamily {
  if (generation !== family.generation || family.received) return family
  const pruned = prune(family, nowMs, windows)
  const closed: TokenFamily['closed'] = windows.overlapMs > 0 && generation > 1 ? [...pruned.closed, [generation - 1, nowMs]] : pruned.closed
  return forgetStepUp({ ...pruned, received: true, closed })
}

function presentNewest (family: TokenFamily, presented: Presentation, nowMs: number, windows: RotationWindows): Transition {
  const current = prune(receive(family, family.generation, nowMs, windows), nowMs, windows)
  if (nowMs >= current.holdUntilMs && current.closed.length < maxClosed) return issue('rotated', current, presented, nowMs)
  const { authentication, fresh } = presented
  return { outcome: 'held', family: current, authentication, granted: withFresh(authentication, fresh, nowMs) }
}

/** The generation after the one that was presented. */
function issue (outcome: 'rotated' | 'recovered', family: TokenFamily, { generation, authentication, fresh }: Presentation, nowMs: number): Transition {
  const issued: TokenFamily = { ...family, generation: generation + 1, received: false, rotatedAtMs: nowMs }
  if (fresh === undefined) return { outcome, family: issued, authentication, granted: authentication }
  const strengthened = strengthen(authentication, fresh, nowMs)
  const stepUp = { generation: generation + 1, prior: family.stepUp?.prior ?? authentication }
  return { outcome, family: { ...issued, stepUp }, authentication: strengthened, granted: strengthened }
}

function presentSuperseded (family: TokenFamily, presented: Presentation, nowMs: number, windows: RotationWindows): Transition {
  const { generation, authentication, fresh } = presented
  const isClosed = family.closed.some(([closed]) => closed === generation)
  if (!isClosed) {
    if (generation !== family.generation - 1 || family.received || windows.retryWindowMs === 0) return { outcome: 'reused', family: null }
    if (elapsed(family.rotatedAtMs, nowMs) > windows.retryWindowMs) return { outcome: 'expired', family: null }
  }
  const own = family.stepUp !== null && generation < family.stepUp.generation ? family.stepUp.prior : authentication
  const granted = withFresh(own, fresh, nowMs)
  // The answer may travel for the whole overlap, the last millisecond of it included; only then may it be superseded.
  const holdUntilMs = nowMs + windows.overlapMs + 1
  if (covers(granted, authentication)) return { outcome: 'repeated', family: { ...family, holdUntilMs }, authentication, granted }
  // The newest generation is a step-up's. A client that uses it has it from the step-up's answer, and needs no other one.
  if (isClosed) return { outcome: 'held', family, authentication, granted }
  // The step-up's answer is lost, or seems so. The client needs the newest generation to go on; it gets it without what the password bought.
  return { outcome: 'repeated', family: { ...family, holdUntilMs, stepUp: null }, authentication: own, granted }
}

/** Goes on from a generation that the store has forgotten; what the lost writes closed counts as closed now. Room is left for the new one's own predecessor. */
function recover (family: TokenFamily, generation: number, nowMs: number, windows: RotationWindows): TokenFamily {
  const pruned = prune(family, nowMs, windows)
  const closed: TokenFamily['closed'] = [...pruned.closed]
  const first = family.received ? family.generation : family.generation - 1
  for (let lost = Math.max(first, 1); windows.overlapMs > 0 && lost < generation; lost++) closed.push([lost, nowMs])
  return { ...pruned, closed: closed.slice(1 - maxClosed) }
}

function prune (family: TokenFamily, nowMs: number, { overlapMs }: RotationWindows): TokenFamily {
  const isOpen = ([, closedAtMs]: [number, number]): boolean => overlapMs > 0 && elapsed(closedAtMs, nowMs) <= overlapMs
  return forgetStepUp(family.closed.every(isOpen) ? family : { ...family, closed: family.closed.filter(isOpen) })
}

/** Once every generation before the step-up is refused, nothing depends on what they were answered with. */
function forgetStepUp (family: TokenFamily): TokenFamily {
  if (family.stepUp === null) return family
  const { generation } = family.stepUp
  const isAnswered = (!family.received && family.generation === generation) || family.closed.some(([closed]) => closed < generation)
  return isAnswered ? family : { ...family, stepUp: null }
}

function withFresh (authentication: Authentication, fresh: Strength | undefined, nowMs: number): Authentication {
  return fresh === undefined ? authentication : strengthen(authentication, fresh, nowMs)
}

/** Clocks step back; a difference below zero counts as zero. */
function elapsed (sinceMs: number, nowMs: number): number {
  return Math.max(0, nowMs - sinceMs)
}
