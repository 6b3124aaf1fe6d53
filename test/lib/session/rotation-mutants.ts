import { strengthen } from '../../../lib/session/authentication.ts'
import { openFamily, receive, rotate, type Presentation, type RotationWindows, type TokenFamily, type Transition } from '../../../lib/session/rotation.ts'
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
    rules: mutant({ rotate: (family, presented, nowMs, windows) => rotate(family, presented, nowMs, { ...windows, retryWindowMs: 0 }) }),
    violates: 'I7'
  },
  'the retry window has no end': {
    rules: mutant({ rotate: (family, presented, nowMs, windows) => rotate(family, presented, nowMs, { ...windows, retryWindowMs: Infinity }) }),
    violates: 'I3'
  },
  'the overlap lasts twice as long': {
    rules: mutant({
      rotate: (family, presented, nowMs, windows) => rotate(family, presented, nowMs, twice(windows)),
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
    rules: mutant({ rotate: (family, presented, ...when) => presented.generation > family.generation ? { outcome: 'reused', family: null } : rotate(family, presented, ...when) }),
    violates: 'I2',
    scenario: { canFailOver: true }
  },
  'two lost generations at most are recovered': {
    rules: mutant({ rotate: (family, presented, ...when) => presented.generation > family.generation + 2 ? { outcome: 'reused', family: null } : rotate(family, presented, ...when) }),
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

/** The rules of step-ups, broken likewise. The first one is the rule that stood before: one authentication for the whole family. */
export const stepUpMutants: Record<string, Mutant> = {
  'a step-up counts for whatever is presented with it, and a repeated refresh gets what the newest one has': {
    rules: mutant({ rotate: sharedAuthentication }),
    violates: 'I8',
    scenario: { messages: 1, hasThief: true }
  },
  'the same, found by the tabs of an honest browser alone': {
    rules: mutant({ rotate: sharedAuthentication }),
    violates: 'I8'
  },
  'a step-up on hold counts for the generation that is held': {
    rules: mutant({ rotate: counting('held') }),
    violates: 'I8',
    scenario: { messages: 1, hasThief: true }
  },
  'a repeated step-up counts for the generation that is repeated': {
    rules: mutant({ rotate: counting('repeated') }),
    violates: 'I8',
    scenario: { messages: 1, hasThief: true }
  },
  'a step-up whose answer was lost stays in force for what is older': {
    rules: mutant({ rotate: (family, presented, ...when) => inForce(rotate(family, presented, ...when), presented) }),
    violates: 'I8'
  },
  'a step-up whose answer was lost is answered without the newest generation': {
    rules: mutant({ rotate: (family, presented, ...when) => heldBack(rotate(family, presented, ...when), family, presented) }),
    violates: 'I2'
  },
  'of two step-ups the second one is remembered alone': {
    rules: mutant({ rotate: (family, presented, ...when) => presented.fresh === undefined ? rotate(family, presented, ...when) : rotate({ ...family, stepUp: null }, presented, ...when) }),
    violates: 'I8',
    scenario: { messages: 1, hasThief: true, stepUps: 2 }
  },
  'a step-up is forgotten when its generation is received': {
    rules: mutant({
      rotate: changed(family => family.received ? { ...family, stepUp: null } : family),
      receive: (...presented) => ({ ...receive(...presented), stepUp: null })
    }),
    violates: 'I8',
    scenario: { messages: 1, hasThief: true }
  },
  'an answer without a cookie names the newest generation': {
    rules: mutant({ heldDistance: () => 0 }),
    violates: 'I2'
  },
  'a step-up on hold is answered as a refresh is': {
    rules: mutant({ rotate: (family, presented, ...when) => unseen(rotate(family, presented, ...when), family, presented) }),
    violates: 'I9'
  }
}

function mutant (rules: Partial<Rules>): Rules {
  return { ...productRules, ...rules }
}

/** The product's rotation, with its result changed where there is one. */
function changed (change: (family: TokenFamily, outcome: Transition['outcome'], before: TokenFamily, nowMs: number) => TokenFamily): Rotate {
  return (before, presented, nowMs, windows) => {
    const transition = rotate(before, presented, nowMs, windows)
    return transition.family === null ? transition : { ...transition, family: change(transition.family, transition.outcome, before, nowMs) }
  }
}

/** As commonly built: the predecessor is honoured for a while after its rotation, whoever has received what. */
function graceFromRotation (family: TokenFamily, presented: Presentation, nowMs: number, windows: RotationWindows): Transition {
  const { generation, authentication } = presented
  if (generation !== family.generation - 1 || !family.received) return rotate(family, presented, nowMs, windows)
  if (nowMs - family.rotatedAtMs > windows.overlapMs) return { outcome: 'reused', family: null }
  return { outcome: 'repeated', family: { ...family, holdUntilMs: nowMs + windows.overlapMs + 1 }, authentication, granted: authentication }
}

/** One authentication for the whole family, which every step-up moves. */
function sharedAuthentication (family: TokenFamily, { generation, authentication, fresh }: Presentation, nowMs: number, windows: RotationWindows): Transition {
  const transition = rotate(family, { generation, authentication }, nowMs, windows)
  if (transition.family === null || fresh === undefined) return transition
  const strengthened = strengthen(authentication, fresh, nowMs)
  return { ...transition, authentication: strengthened, granted: strengthened }
}

function counting (outcome: Transition['outcome']): Rotate {
  return (family, presented, nowMs, windows) => {
    const transition = rotate(family, presented, nowMs, windows)
    return transition.family === null || transition.outcome !== outcome || presented.fresh === undefined ? transition : { ...transition, authentication: transition.granted }
  }
}

function inForce (transition: Transition, { authentication }: Presentation): Transition {
  return transition.family !== null && transition.outcome === 'repeated' ? { ...transition, authentication } : transition
}

function heldBack (transition: Transition, family: TokenFamily, { authentication }: Presentation): Transition {
  const isUndone = transition.outcome === 'repeated' && transition.authentication.authTimeMs < authentication.authTimeMs
  return isUndone ? { ...transition, outcome: 'held', family, authentication } : transition
}

function unseen (transition: Transition, family: TokenFamily, { generation, authentication }: Presentation): Transition {
  return transition.outcome === 'held' && generation === family.generation ? { ...transition, granted: authentication } : transition
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
