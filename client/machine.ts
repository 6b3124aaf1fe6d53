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
  readonly failure?: ClientError
  /** The user has been asked to authenticate anew. */
  readonly isSteppingUp?: boolean
  /** The session that ended last: no late answer brings it back. */
  readonly endedSid?: string | undefined
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
  failed: [ClientError]
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

export const initial: State = { status: 'unknown', held: null, isBelieved: false, epoch: 0, question: null, failures: 0 }

/** Changes of the state; anything false: there are none. */
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
  // It renews what is held, and nothing else.
  'stepped-up': (state, answer) => sidOf(state) === answer.session.sid && hold(state, answer),
  // Another session may have been learnt of meanwhile.
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

/** A question that is out already will do. */
function ask ({ question, epoch }: State): Partial<State> {
  return { status: 'refreshing', question: question ?? epoch }
}

/** A token that is not the one held has been replaced already. */
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

/** A tab that is not told which session has ended asks; a tab that holds none yet remembers it, and asks anyway. */
function hearEnd (state: State, sid: string | undefined): Patch {
  if (!sid) return doubt(state)
  return sidOf(state) === sid ? end(state) : { endedSid: sid }
}

function end (state: State): Partial<State> {
  return { status: 'signed-out', held: null, isBelieved: false, epoch: state.epoch + 1, endedSid: sidOf(state) ?? state.endedSid }
}
