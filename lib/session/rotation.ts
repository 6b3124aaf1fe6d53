/*
 * Refresh rotation as a pure function. This module alone decides what a presented refresh token means; docs/reference/refresh.md shows
 * the decision as a table. SQLite calls it inside its transaction. stores/redis/shared/rotation.lua implements it in Lua, function by
 * function, and test/stores/rotation-traces.test.ts verifies that both agree.
 */

import { covers, strengthen, type Authentication, type Strength } from './authentication.ts'

/** The refresh tokens of one session: the newest generation, and the state that distinguishes a late legitimate tab from a thief. */
export interface TokenFamily {
  /** Newest issued generation; the first is 1. */
  generation: number
  /** True if the newest generation was proven received: the token, or an access token issued with it, was presented. */
  received: boolean
  /** Time at which the newest generation was issued. */
  rotatedAtMs: number
  /** Time until which the newest generation is not advanced. */
  holdUntilMs: number
  /** Superseded generations with the time at which their successor was proven received, oldest first; only those within `overlapMs`. */
  closed: Array<[generation: number, closedAtMs: number]>
  /**
   * Generation that the last step-up issued, kept while an older generation may still be answered, and the authentication with which older
   * generations are answered. After several step-ups, `prior` is the authentication before the first of them: one that is older than
   * necessary grants nothing extra.
   */
  stepUp: { generation: number, prior: Authentication } | null
}

/** The presented generation, the authentication of its record, and the new authentication of the subject, if there is one. */
export interface Presentation {
  generation: number
  authentication: Authentication
  fresh?: Strength
}

export interface RotationWindows {
  /** Time for which a superseded generation is still accepted after its successor was received (parallel tabs). 0: never. */
  overlapMs: number
  /** Time for which the predecessor of a generation that was never received is accepted (lost responses). 0: never. */
  retryWindowMs: number
}

export type FamilyOutcome = 'rotated' | 'held' | 'repeated' | 'recovered' | 'expired' | 'reused'

export type Transition =
  /**
   * `authentication` is stored in the record: it is that of the newest generation. `granted` is the authentication that the response's
   * access token may state. `held` gives only an access token, for the presented generation; the other outcomes give the newest generation
   * too.
   */
  | { outcome: 'rotated' | 'held' | 'repeated' | 'recovered', family: TokenFamily, authentication: Authentication, granted: Authentication }
  /** `expired`: the session ends without suspicion of theft. `reused`: the session is revoked. */
  | { outcome: 'expired' | 'reused', family: null }

/** Maximum number of closing times. While this many are stored, the newest generation is held, so the list is bounded. */
export const maxClosed = 8
/** Maximum number of generations by which a genuine token may be ahead of the store, if a failover lost acknowledged writes. */
const maxLostGenerations = 3

export function openFamily (nowMs: number): TokenFamily {
  return { generation: 1, received: false, rotatedAtMs: nowMs, holdUntilMs: 0, closed: [], stepUp: null }
}

/**
 * Decides how the presentation of a generation with a verified MAC changes the family.
 *
 * The authentication of a generation is fixed when it is issued: a copy of a refresh token never leads to a more recent or a stronger one
 * without the password. A step-up therefore applies to a generation that it issues itself. If none is issued (`held`, `repeated`), it
 * applies only to the access token of its response.
 */
export function rotate (family: TokenFamily, presented: Presentation, nowMs: number, windows: RotationWindows): Transition {
  const { generation } = presented
  if (generation > family.generation + maxLostGenerations) return { outcome: 'reused', family: null }
  if (generation > family.generation) return issue('recovered', recover(family, generation, nowMs, windows), presented, nowMs)
  if (generation === family.generation) return presentNewest(family, presented, nowMs, windows)
  return presentSuperseded(prune(family, nowMs, windows), presented, nowMs, windows)
}

/** Records that the newest generation reached the client, because something issued with it was presented. */
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

/** Issues the generation after the one that was presented. */
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
  // The response may be in transit for the whole overlap, including its last millisecond. The generation may be superseded only afterwards.
  const holdUntilMs = nowMs + windows.overlapMs + 1
  if (covers(granted, authentication)) return { outcome: 'repeated', family: { ...family, holdUntilMs }, authentication, granted }
  // A step-up issued the newest generation. A client that uses it received it in the step-up's response, and needs no other one.
  if (isClosed) return { outcome: 'held', family, authentication, granted }
  // The step-up's response is lost, or appears to be. The client needs the newest generation to continue, and receives it without the
  // authentication that the password granted.
  return { outcome: 'repeated', family: { ...family, holdUntilMs, stepUp: null }, authentication: own, granted }
}

/**
 * Continues from a generation that the store has lost. Generations that the lost writes closed count as closed now. One place is left for
 * the predecessor of the new generation.
 */
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

/** Removes the step-up once every generation before it is rejected, because nothing depends on their authentication any more. */
function forgetStepUp (family: TokenFamily): TokenFamily {
  if (family.stepUp === null) return family
  const { generation } = family.stepUp
  const isAnswered = (!family.received && family.generation === generation) || family.closed.some(([closed]) => closed < generation)
  return isAnswered ? family : { ...family, stepUp: null }
}

function withFresh (authentication: Authentication, fresh: Strength | undefined, nowMs: number): Authentication {
  return fresh === undefined ? authentication : strengthen(authentication, fresh, nowMs)
}

/** Returns the time since `sinceMs`. Clocks may step back; a negative difference counts as zero. */
function elapsed (sinceMs: number, nowMs: number): number {
  return Math.max(0, nowMs - sinceMs)
}
