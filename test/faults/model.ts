import { openFamily, receive, rotate, type RotationWindows, type TokenFamily } from '../../lib/session/rotation.ts'

/*
 * What a gateway promises, in so few words that one can see that it is right: whoever was ended is out, whoever was not is in. The
 * rotation of refresh tokens is the pure function, which is checked exhaustively elsewhere.
 */

export const minute = 60_000
const byPassword = { acr: '1', amr: ['pwd'] }

export const limits = { idleMs: 30 * minute, absoluteMs: 240 * minute, maxPerSubject: 3, freshMs: 5 * minute, tokenMs: 10 * minute }
export const windows: RotationWindows = { overlapMs: 4 * minute, retryWindowMs: 13 * minute }

export interface ModelSession {
  subject: string
  mode: 'session' | 'tokens'
  isEnded: boolean
  openedAtMs: number
  usedAtMs: number
  authenticatedAtMs: number
  /** Tokens mode. */
  family: TokenFamily
  token: { generation: number, issuedAtMs: number, authenticatedAtMs: number, isRevoked: boolean }
}

export class Model {
  readonly sessions: ModelSession[] = []
  nowMs = 0

  /** Has a record. */
  exists (session: ModelSession): boolean {
    return !session.isEnded && this.nowMs - session.openedAtMs < limits.absoluteMs
  }

  isGood (session: ModelSession): boolean {
    return this.exists(session) && this.nowMs - session.usedAtMs < limits.idleMs
  }

  /** By what is presented to an upstream: the cookie or the access token. Null: the token is past its time, which is the clock's business. */
  isIn (session: ModelSession): boolean | null {
    if (session.mode === 'session') return this.isGood(session)
    if (this.nowMs - session.openedAtMs >= limits.absoluteMs || this.nowMs - session.token.issuedAtMs >= limits.tokenMs) return null
    return !session.isEnded && !session.token.isRevoked
  }

  isFresh (session: ModelSession): boolean {
    return this.nowMs - (session.mode === 'session' ? session.authenticatedAtMs : session.token.authenticatedAtMs) <= limits.freshMs
  }

  signIn (subject: string, mode: ModelSession['mode']): ModelSession {
    const others = this.sessions.filter(session => session.subject === subject && this.exists(session))
    for (const session of others.slice(0, Math.max(0, others.length + 1 - limits.maxPerSubject))) session.isEnded = true
    const { nowMs } = this
    const session: ModelSession = {
      subject,
      mode,
      isEnded: false,
      openedAtMs: nowMs,
      usedAtMs: nowMs,
      authenticatedAtMs: nowMs,
      family: openFamily(nowMs),
      token: { generation: 1, issuedAtMs: nowMs, authenticatedAtMs: nowMs, isRevoked: false }
    }
    this.sessions.push(session)
    return session
  }

  /** A request with the cookie or the access token was served. */
  use (session: ModelSession): void {
    if (session.mode === 'session') session.usedAtMs = this.nowMs
    else session.family = receive(session.family, session.token.generation, this.nowMs, windows)
  }

  /** The generation that the client has afterwards; null when it is refused. */
  refresh (session: ModelSession, generation: number, isStepUp = false): number | null {
    if (!this.isGood(session)) return null
    const authentication = { authTimeMs: session.authenticatedAtMs, ...byPassword }
    const transition = rotate(session.family, { generation, authentication, ...isStepUp ? { fresh: byPassword } : {} }, this.nowMs, windows)
    if (transition.family === null) {
      session.isEnded = true
      return null
    }
    session.family = transition.family
    session.usedAtMs = this.nowMs
    session.authenticatedAtMs = transition.authentication.authTimeMs
    const held = transition.outcome === 'held' ? generation : session.family.generation
    session.token = { generation: held, issuedAtMs: this.nowMs, authenticatedAtMs: transition.granted.authTimeMs, isRevoked: false }
    return held
  }

  endAll (subject: string | null, except?: ModelSession): void {
    for (const session of this.sessions) if ((subject === null || session.subject === subject) && session !== except) session.isEnded = true
  }

  list (subject: string): ModelSession[] {
    return this.sessions.filter(session => session.subject === subject && this.isGood(session))
  }
}
