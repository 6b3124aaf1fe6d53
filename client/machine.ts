/*
 * What one page believes about its sign-in, as a pure function: no clock, no network, no browser. Whatever happens is an event.
 * What has to be done about it follows from how the state has changed (keeper.ts).
 */

import type { ClientError } from './errors.ts'

/** A session as its owner sees it. Instants are seconds since the epoch, by the server's clock. */
export interface Session {
  /** Public id of the session; no secret. */
  sid: string
  subject: string
  created_at: number
  /** When the subject last authenticated. */
  auth_time: number
  /** How strongly, and by what, such as `pwd`. */
  acr: string
  amr: string[]
  /** When the session is over unless it is used. */
  idle_expires_at: number
  /** When it is over, however much it is used. */
  expires_at: number
  client: { user_agent: string, ip: string }
  /** The device that it is bound to; null: it is good wherever its cookie is. */
  device: { bound_at: number } | null
}

/** What the gateway answers to a sign-in, a refresh and a step-up; in session mode there are no tokens in it. */
export interface Answer {
  session: Session
  access_token?: string
  /** Seconds from now. */
  expires_in?: number
  refresh_in?: number
}

/**
 * - `unknown`: nobody has asked the gateway yet
 * - `refreshing`: the gateway is being asked for the session, or for the next access token
 * - `waiting`: it could not be reached, or asked for patience; it will be asked again
 * - `stepping-up`: signed in, and asked to prove it anew
 */
export type Status = 'unknown' | 'signed-out' | 'signed-in' | 'refreshing' | 'waiting' | 'stepping-up'

export interface State {
  readonly status: Status
  readonly held: Answer | null
  /** False while `held` must not be used before the gateway has been asked. */
  readonly isBelieved: boolean
  /** Raised by whatever is learnt of who is signed in: what was asked before that is not heard after it. */
  readonly epoch: number
  /** The epoch of the one question that is out. Its answer counts in that epoch alone. */
  readonly question: number | null
  /** How many questions in a row had no answer. */
  readonly failures: number
  /** Of the last one. */
  readonly failure: ClientError | null
  /** The user has been asked to authenticate anew. */
  readonly isSteppingUp: boolean
  /** The session that ended last: no late answer brings it back. */
  readonly endedSid: string | undefined
}

/** What can happen, and what is to be known of it. */
export interface Events {
  /** Somebody wants to know. */
  ask: []
  /** The time to wait is over, or it is time for the next access token, while the one held is still good. */
  due: []
  /** What is held may not be good any more: all of it, or this token. */
  doubt: [token?: string | undefined]
  /** The page comes out of the back-forward cache: anything may have happened. */
  restored: []
  /** The network is back, or somebody looks at the page again. */
  wake: []
  /** The question is: null when nobody is signed in. */
  answered: [Answer | null]
  unreachable: [ClientError]
  'signed-in': [Answer]
  'stepped-up': [Answer]
  /** The session that was held when it was asked for. */
  'signed-out': [sid: string | undefined]
  /** From another tab: what it holds now, and the session that it held before. */
  heard: [held: Answer | null, sid: string | undefined]
  /** It begins, or is over. */
  'step-up': [isSteppingUp: boolean]
}

export type Event = { [Type in keyof Events]: [type: Type, ...about: Events[Type]] }[keyof Events]

export const initial: State = { status: 'unknown', held: null, isBelieved: false, epoch: 0, question: null, failures: 0, failure: null, isSteppingUp: false, endedSid: undefined }

const handlers: { [Type in keyof Events]: (state: State, ...about: Events[Type]) => State } = {
  ask: state => askIf(state.status === 'unknown', state),
  due: state => askIf(isResting(state) || state.status === 'waiting', state),
  doubt,
  restored: state => state.status === 'signed-out' ? { ...state, status: 'unknown' } : doubt(state),
  wake: state => askIf(state.status === 'waiting' && state.failure?.retryAfter === null, state),
  answered: (state, answer) => conclude(state, state => !answer || answer.session.sid === state.endedSid ? end(state) : hold(state, answer)),
  unreachable: (state, failure) => conclude(state, state => ({ ...state, status: 'waiting', failures: state.failures + 1, failure })),
  'signed-in': hold,
  // It renews what is held, and nothing else.
  'stepped-up': (state, answer) => sidOf(state) === answer.session.sid ? hold(state, answer) : state,
  // What was learnt of meanwhile may be another session.
  'signed-out': (state, sid) => state.held === null || sidOf(state) === sid ? end(state) : doubt(state),
  heard: (state, held, sid) => held === null ? hearEnd(state, sid) : held.session.sid === state.endedSid ? state : hold(state, held),
  'step-up': (state, isSteppingUp) => rest({ ...state, isSteppingUp })
}

/** What an event makes of the state. */
export function next (state: State, [type, ...about]: Event): State {
  return (handlers[type] as (state: State, ...about: unknown[]) => State)(state, ...about)
}

function isResting ({ status }: State): boolean {
  return status === 'signed-in' || status === 'stepping-up'
}

function rest (state: State): State {
  return isResting(state) ? { ...state, status: state.isSteppingUp ? 'stepping-up' : 'signed-in' } : state
}

function sidOf ({ held }: State): string | undefined {
  return held?.session.sid
}

/** A question that is out already will do. */
function askIf (condition: boolean, state: State): State {
  return condition ? { ...state, status: 'refreshing', question: state.question ?? state.epoch } : state
}

/** A token that is not the one held has been replaced already. */
function doubt (state: State, token?: string): State {
  const { held } = state
  if (held === null || (token !== undefined && token !== held.access_token)) return state
  return askIf(isResting(state), { ...state, isBelieved: false })
}

/** An answer to what was asked before the epoch changed says nothing. */
function conclude (state: State, work: (state: State) => State): State {
  const concluded = { ...state, question: null }
  return state.question === state.epoch ? work(concluded) : askIf(state.status === 'refreshing', concluded)
}

function hold (state: State, held: Answer): State {
  return rest({ ...state, status: 'signed-in', held, isBelieved: true, epoch: state.epoch + 1, failures: 0 })
}

/** Whoever is not told whose end it was finds out; and so does a page that holds nothing yet, by what it asks. */
function hearEnd (state: State, sid: string | undefined): State {
  if (sid === undefined) return doubt(state)
  return sidOf(state) === sid ? end(state) : { ...state, endedSid: sid }
}

function end (state: State): State {
  return { ...state, status: 'signed-out', held: null, isBelieved: false, epoch: state.epoch + 1, endedSid: sidOf(state) ?? state.endedSid }
}
