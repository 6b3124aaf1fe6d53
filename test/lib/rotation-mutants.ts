import { openFamily, receive, rotate, type RotationWindows, type TokenFamily, type Transition } from '../../lib/rotation.ts'
import { productRules, type Invariant, type Rules, type Scenario } from './rotation-search.ts'

/*
 * The rules of rotation, each broken in one place, and the invariant that the search then has to find violated. They wrap the
 * product's functions: one that the search does not notice is a hole in the search.
 */
export interface Mutant {
  rules: Rules
  violates: Invariant
  /** What differs from two tabs. */
  scenario?: Partial<Scenario>
}

type Rotate = typeof rotate

export const mutants: Record<string, Mutant> = {
  'no closing times are remembered': {
    rules: mutant({
      rotate: changed(family => ({ ...family, closed: [] })),
      receive: (...presented) => withoutClosed(receive(...presented))
    }),
    violates: 'I2'
  },
  'nothing is held': {
    rules: mutant({ rotate: changed(family => ({ ...family, holdUntilMs: 0 })) }),
    violates: 'I2'
  },
  'a hold ends a moment before the overlap does': {
    rules: mutant({ rotate: changed((family, outcome) => outcome === 'repeated' ? { ...family, holdUntilMs: family.holdUntilMs - 1 } : family) }),
    violates: 'I2'
  },
  'a hold is not extended': {
    rules: mutant({ rotate: changed((family, outcome, before, nowMs) => outcome === 'repeated' && before.holdUntilMs > nowMs ? { ...family, holdUntilMs: before.holdUntilMs } : family) }),
    violates: 'I2'
  },
  'the grace for parallel tabs counts from the rotation': {
    rules: mutant({ rotate: graceFromRotation }),
    violates: 'I2'
  },
  'a generation is closed when it is rotated, not when its successor is received': {
    rules: mutant({
      rotate: changed((family, outcome, before, nowMs) => outcome === 'rotated' ? { ...family, closed: [...before.closed, [before.generation, nowMs]] } : { ...family, closed: before.closed }),
      receive: (family, generation, ...when) => ({ ...receive(family, generation, ...when), closed: family.closed })
    }),
    violates: 'I2'
  },
  'a retry counts as reuse': {
    rules: mutant({ rotate: (family, generation, nowMs, windows) => rotate(family, generation, nowMs, { ...windows, retryWindowMs: 0 }) }),
    violates: 'I7'
  },
  'the retry window has no end': {
    rules: mutant({ rotate: (family, generation, nowMs, windows) => rotate(family, generation, nowMs, { ...windows, retryWindowMs: Infinity }) }),
    violates: 'I3'
  },
  'the overlap lasts twice as long': {
    rules: mutant({
      rotate: (family, generation, nowMs, windows) => rotate(family, generation, nowMs, twice(windows)),
      receive: (family, generation, nowMs, windows) => receive(family, generation, nowMs, twice(windows))
    }),
    violates: 'I3',
    scenario: { hasThief: true, slack: 2 }
  },
  'to present a held generation does not prove it received': {
    rules: mutant({ rotate: changed((family, outcome, before) => outcome === 'held' ? before : family) }),
    violates: 'I3',
    scenario: { hasThief: true }
  },
  'a note of a received access token is ignored': {
    rules: mutant({ receive: family => family }),
    violates: 'I3',
    scenario: { hasThief: true }
  },
  'the oldest of two closing times is dropped, instead of holding': {
    rules: mutant({ rotate: (family, ...presented) => rotate({ ...family, closed: family.closed.slice(-1) }, ...presented) }),
    violates: 'I2'
  },
  'a repeated refresh goes on by one': {
    rules: mutant({ rotate: changed((family, outcome) => outcome === 'repeated' ? { ...family, generation: family.generation + 1 } : family) }),
    violates: 'I1'
  },
  'nothing is recovered': {
    rules: mutant({ rotate: (family, generation, ...when) => generation > family.generation ? { outcome: 'reused', family: null } : rotate(family, generation, ...when) }),
    violates: 'I2',
    scenario: { canFailOver: true }
  },
  'two lost generations at most are recovered': {
    rules: mutant({ rotate: (family, generation, ...when) => generation > family.generation + 2 ? { outcome: 'reused', family: null } : rotate(family, generation, ...when) }),
    violates: 'I2',
    scenario: { canFailOver: true, isStandbySlow: true }
  },
  'what is recovered goes on from the store, not from the client': {
    rules: mutant({ rotate: changed((family, outcome, before) => outcome === 'recovered' ? { ...family, generation: before.generation + 1 } : family) }),
    violates: 'I1',
    scenario: { canFailOver: true }
  },
  'the answer of a held refresh sets the cookie': {
    rules: mutant({ hasCookie: outcome => outcome === 'held' || productRules.hasCookie(outcome) }),
    violates: 'I2'
  },
  'a refused refresh clears the cookie': {
    rules: mutant({ hasCookie: () => true }),
    violates: 'I5',
    scenario: { hasThief: true }
  },
  'a reused generation is refused, and the session goes on': {
    rules: mutant({ rotate: (family, ...presented) => goingOn(rotate(family, ...presented), family) }),
    violates: 'I6',
    scenario: { hasThief: true }
  },
  'a late note brings back what was signed out': {
    rules: mutant({ receiveNothing: () => openFamily(0) }),
    violates: 'I6'
  },
  'a rotation writes another end of the session': {
    rules: mutant({ rotate: changed(family => Object.assign({ ...family }, { expiresAtMs: 1 })) }),
    violates: 'I4'
  }
}

function mutant (rules: Partial<Rules>): Rules {
  return { ...productRules, ...rules }
}

/** The product's rotation, with its result changed where there is one. */
function changed (change: (family: TokenFamily, outcome: Transition['outcome'], before: TokenFamily, nowMs: number) => TokenFamily): Rotate {
  return (before, generation, nowMs, windows) => {
    const transition = rotate(before, generation, nowMs, windows)
    return transition.family === null ? transition : { ...transition, family: change(transition.family, transition.outcome, before, nowMs) }
  }
}

/** As commonly built: the predecessor is honoured for a while after its rotation, whoever has received what. */
function graceFromRotation (family: TokenFamily, generation: number, nowMs: number, windows: RotationWindows): Transition {
  if (generation !== family.generation - 1 || !family.received) return rotate(family, generation, nowMs, windows)
  if (nowMs - family.rotatedAtMs > windows.overlapMs) return { outcome: 'reused', family: null }
  return { outcome: 'repeated', family: { ...family, holdUntilMs: nowMs + windows.overlapMs + 1 } }
}

function goingOn (transition: Transition, family: TokenFamily): Transition {
  return transition.outcome === 'reused' ? { outcome: 'reused', family } as unknown as Transition : transition
}

function withoutClosed (family: TokenFamily): TokenFamily {
  return { ...family, closed: [] }
}

function twice ({ overlapMs, retryWindowMs }: RotationWindows): RotationWindows {
  return { overlapMs: 2 * overlapMs, retryWindowMs }
}
