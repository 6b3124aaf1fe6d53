/*
 * Refresh rotation as a pure function: the one place that decides what a presented refresh token means.
 * SQLite calls it inside its transaction; stores/redis/rotate.lua says the same in Lua and is held to it by replaying traces.
 */

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
}

export interface RotationWindows {
  /** How long a superseded generation is still honoured after its successor was received (parallel tabs). 0: never. */
  overlapMs: number
  /** How long the predecessor of a generation that was never received is honoured (lost responses). 0: never. */
  retryWindowMs: number
}

export type FamilyOutcome = 'rotated' | 'held' | 'repeated' | 'recovered' | 'expired' | 'reused'

export type Transition =
  | { outcome: 'rotated' | 'held' | 'repeated' | 'recovered', family: TokenFamily }
  /** `expired`: the session ends, nobody is accused. `reused`: it is revoked. */
  | { outcome: 'expired' | 'reused', family: null }

/** While this many closing times are remembered the newest generation is held, so the list is bounded. */
export const maxClosed = 8
/** How far ahead of the store a genuine generation may be: acknowledged writes that a failover lost. */
const maxLostGenerations = 3

export function openFamily (nowMs: number): TokenFamily {
  return { generation: 1, received: false, rotatedAtMs: nowMs, holdUntilMs: 0, closed: [] }
}

/** What the presentation of `generation`, whose MAC is right, does to the family. */
export function rotate (family: TokenFamily, generation: number, nowMs: number, windows: RotationWindows): Transition {
  if (generation > family.generation + maxLostGenerations) return { outcome: 'reused', family: null }
  if (generation > family.generation) return { outcome: 'recovered', family: recover(family, generation, nowMs, windows) }
  if (generation === family.generation) return presentNewest(family, nowMs, windows)
  return presentSuperseded(prune(family, nowMs, windows), generation, nowMs, windows)
}

/** Notes that the newest generation reached the client, because something issued with it was presented. */
export function receive (family: TokenFamily, generation: number, nowMs: number, windows: RotationWindows): TokenFamily {
  if (generation !== family.generation || family.received) return family
  const pruned = prune(family, nowMs, windows)
  const closed: TokenFamily['closed'] = windows.overlapMs > 0 && generation > 1 ? [...pruned.closed, [generation - 1, nowMs]] : pruned.closed
  return { ...pruned, received: true, closed }
}

function presentNewest (family: TokenFamily, nowMs: number, windows: RotationWindows): Transition {
  const current = prune(receive(family, family.generation, nowMs, windows), nowMs, windows)
  if (nowMs < current.holdUntilMs || current.closed.length >= maxClosed) return { outcome: 'held', family: current }
  return { outcome: 'rotated', family: { ...current, generation: current.generation + 1, received: false, rotatedAtMs: nowMs } }
}

function presentSuperseded (family: TokenFamily, generation: number, nowMs: number, windows: RotationWindows): Transition {
  // The answer may travel for the whole overlap, the last millisecond of it included; only then may it be superseded.
  const repeated: Transition = { outcome: 'repeated', family: { ...family, holdUntilMs: nowMs + windows.overlapMs + 1 } }
  if (family.closed.some(([closed]) => closed === generation)) return repeated
  if (generation !== family.generation - 1 || family.received || windows.retryWindowMs === 0) return { outcome: 'reused', family: null }
  return elapsed(family.rotatedAtMs, nowMs) <= windows.retryWindowMs ? repeated : { outcome: 'expired', family: null }
}

/** Goes on from a generation that the store has forgotten; what the lost writes closed counts as closed now. Room is left for the new one's own predecessor. */
function recover (family: TokenFamily, generation: number, nowMs: number, windows: RotationWindows): TokenFamily {
  const known = prune(family, nowMs, windows).closed
  const closed: TokenFamily['closed'] = [...known]
  const first = family.received ? family.generation : family.generation - 1
  for (let lost = Math.max(first, 1); windows.overlapMs > 0 && lost < generation; lost++) closed.push([lost, nowMs])
  return { generation: generation + 1, received: false, rotatedAtMs: nowMs, holdUntilMs: family.holdUntilMs, closed: closed.slice(1 - maxClosed) }
}

function prune (family: TokenFamily, nowMs: number, { overlapMs }: RotationWindows): TokenFamily {
  const isOpen = ([, closedAtMs]: [number, number]): boolean => overlapMs > 0 && elapsed(closedAtMs, nowMs) <= overlapMs
  return family.closed.every(isOpen) ? family : { ...family, closed: family.closed.filter(isOpen) }
}

/** Clocks step back; a difference below zero counts as zero. */
function elapsed (sinceMs: number, nowMs: number): number {
  return Math.max(0, nowMs - sinceMs)
}
