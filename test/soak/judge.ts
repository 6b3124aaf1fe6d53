import { checkHistory } from '../faults/check-history.ts'
import type { Operation } from '../faults/history.ts'

/** `maxStaleness` of the gateways: for so long another gateway may not have heard of an end. */
const stalenessMs = 2000

/** A session's operations are looked at when they are so many, or when nothing more has come for so long. */
const window = 400
const idleMs = 90_000
/** Refreshes that are kept beyond a look: a fork shows in two of them. */
const keptRefreshes = 50
const keptViolations = 100

interface Session { operations: Operation[], lastMs: number }

/** Judges a history while it is made, session by session, and forgets what can no longer contradict anything. */
export class Judge {
  readonly violations: string[] = []
  /** How many there were, of which `violations` are the first. */
  violated = 0
  readonly #sessions = new Map<string, Session>()

  get sessions (): number { return this.#sessions.size }

  add (operation: Operation): void {
    const session = this.#sessions.get(operation.sid) ?? { operations: [], lastMs: 0 }
    this.#sessions.set(operation.sid, session)
    session.operations.push(operation)
    session.lastMs = operation.returnedAtMs
    if (session.operations.length >= window) this.#look(session)
  }

  /** What no history shows. */
  report (violation: string): void {
    this.violated++
    if (this.violations.length < keptViolations) this.violations.push(violation)
  }

  /** Drops sessions of which nothing more comes; all of them at the end. */
  sweep (nowMs: number): void {
    for (const [sid, session] of this.#sessions) {
      if (nowMs - session.lastMs < idleMs) continue
      this.#look(session)
      this.#sessions.delete(sid)
    }
  }

  #look (session: Session): void {
    const violations = checkHistory(session.operations, { stalenessMs })
    for (const violation of violations) this.report(violation)
    // What was found once would be found again.
    const refreshes = violations.length > 0 ? [] : session.operations.filter(({ kind }) => kind === 'refresh').slice(-keptRefreshes)
    session.operations = [...session.operations.filter(({ kind }) => kind === 'sign-out'), ...refreshes]
  }
}
