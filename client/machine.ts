/* The sign-in state of one page, as a pure function: no clock, no network, no browser. Every input is an event. keeper.ts derives
 * the actions from the change of the state. */

import type { ClientError } from './errors.ts'

/** A session as its owner sees it. Instants are seconds since the epoch, by the server's clock. */
export interface Session {
  /** The public id of the session; not a secret. */
  sid: string
  subject: string
  created_at: number
  /** The instant of the subject's last authentication. */
  auth_time: number
  /** The strength of the authentication; `amr` has its methods, such as `pwd`. */
  acr: string
  amr: string[]
  /** The instant at which the session expires unless it is used. */
  idle_expires_at: number
  /** The instant at which the session expires in any case. */
  expires_at: number
  client: { user_agent: string, ip: string }
  /** The device that the session is bound to; null for an unbound session. */
  device: { bound_at: number } | null
  /** The identity provider at which the session began; null for a sign-in at the gateway itself. */
  provider: { name: string } | null
}

/** The gateway's answer to a sign-in, a refresh and a step-up; it has no tokens in session mode. */
export interface Answer {
  session: Session
  access_token?: string
  /** The seconds until the access token expires. */
  expires_in?: number
  refresh_in?: number
}

/**
 * - `unknown`: the gateway has not been asked yet
 * - `refreshing`: a request for the session, or for the next access token, is in flight
 * - `waiting`: the gateway was unreachable or rejected the request for now; the client will retry
 * - `stepping-up`: signed in, and the user has been asked to authenticate again
 */
export type Status = 'unknown' | 'signed-out' | 'signed-in' | 'refreshing' | 'waiting' | 'stepping-up'

export interface State {
  readonly status: Status
  readonly held: Answer | null
  /** False while `held` must not be used before the gateway has been asked. */
  readonly isBelieved: boolean
  /** Incremented when the page learns who is signed in; answers to questions of earlier epochs are ignored. */
  readonly epoch: number
  /** The epoch of the one question in flight. Its answer counts in that epoch only. */
  readonly question: number | null
  /** The number of consecutive questions without an answer. */
  readonly failures: number
  /** The error of the last failed question. */
  readonly failure?: ClientError
  /** True while the user is asked to authenticate again. */
  readonly isSteppingUp?: boolean
  /** The session that ended last; no late answer restores it. */
  readonly endedSid?: string | undefined
}

/** The events, each with its arguments. */
export interface Events {
  /** A caller wants to know the state. */
  ask: []
  /** The time to wait is over, or the next access token is due while the held one is still valid. */
  due: []
  /** The held answer, or this token of it, may no longer be valid. */
  doubt: [token?: string | undefined]
  /** The page was restored from the back-forward cache, so the state may be outdated. */
  restored: []
  /** The network is back, or the page is visible again. */
  wake: []
  /** The question has been answered: null when the page is signed out. */
  answered: [Answer | null]
  failed: [ClientError]
  'signed-in': [Answer]
  'stepped-up': [Answer]
  /** The page has signed out; `sid` is the session that was held when the sign-out was requested. */
  'signed-out': [sid: string | undefined]
  /** Another tab has sent a message: the answer that it holds now, and the session that it held before. */
  heard: [held: Answer | null, sid: string | undefined]
  /** A step-up begins or ends. */
  'step-up': [isSteppingUp: boolean]
}

export type Event = { [Type in keyof Events]: [type: Type, ...about: Events[Type]] }[keyof Events]

export const initial: State = { status: 'unknown', held: null, isBelieved: false, epoch: 0, question: null, failures: 0 }

/** The changes of the state; a false value means none. */
type Patch = Partial<State> | false | null | undefined

const handlers: { [Type in keyof Events]: (state: State, ...about: Events[Type]) => Patch } = {
  ask: state => state.status === 'unknown' && ask(state),
  due: state => (isResting(state) || state.status === 'waiting') && ask(state),
  doubt,
  restored: state => state.status === 'signed-out' ? { status: 'unknown' } : doubt(state),
  wake: state => state.status === 'waiting' && state.failure!.retryAfter === null && ask(state),
  answered: (state, answer) => conclude(state, !answer || answer.session.sid === state.endedSid ? end(state) : hold(state, answer)),
  failed: (state, failure) => conclude(state, { status: 'waiting', failures: state.failures + 1, failure }),
  'signed-in': hold,
  // A step-up only renews the held session.
  'stepped-up': (state, answer) => sidOf(state) === answer.session.sid && hold(state, answer),
  // The page may have learned of another session meanwhile.
  'signed-out': (state, sid) => !state.held || sidOf(state) === sid ? end(state) : doubt(state),
  heard: (state, held, sid) => held ? held.session.sid !== state.endedSid && hold(state, held) : hearEnd(state, sid),
  'step-up': (_state, isSteppingUp) => ({ isSteppingUp })
}

/** Returns the state after an event. */
export function next (state: State, [type, ...about]: Event): State {
  const patch = (handlers[type] as (state: State, ...about: unknown[]) => Patch)(state, ...about)
  if (!patch) return state
  const after = { ...state, ...patch }
  return isResting(after) ? { ...after, status: after.isSteppingUp ? 'stepping-up' : 'signed-in' } : after
}

function isResting ({ status }: State): boolean {
  return status === 'signed-in' || status === 'stepping-up'
}

export function sidOf ({ held }: State): string | undefined {
  return held?.session.sid
}

/** A question in flight is not sent again. */
function ask ({ question, epoch }: State): Partial<State> {
  return { status: 'refreshing', question: question ?? epoch }
}

/** A token other than the held one has been replaced already. */
function doubt (state: State, token?: string): Patch {
  return state.held && (!token || token === state.held.access_token) && { isBelieved: false, ...isResting(state) && ask(state) }
}

/** An answer to a question of an earlier epoch is ignored. */
function conclude ({ question, epoch, status }: State, patch: Partial<State>): Partial<State> {
  return question === epoch ? { question: null, ...patch } : { question: status === 'refreshing' ? epoch : null }
}

function hold ({ epoch }: State, held: Answer): Partial<State> {
  return { status: 'signed-in', held, isBelieved: true, epoch: epoch + 1, failures: 0 }
}

/** A tab asks the gateway when the message does not name the session that ended. A tab that holds none or another remembers the session. */
function hearEnd (state: State, sid: string | undefined): Patch {
  if (!sid) return doubt(state)
  return sidOf(state) === sid ? end(state) : { endedSid: sid }
}

function end (state: State): Partial<State> {
  return { status: 'signed-out', held: null, isBelieved: false, epoch: state.epoch + 1, endedSid: sidOf(state) ?? state.endedSid }
}
