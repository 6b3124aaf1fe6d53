import { RecencyCache } from '../../lib/cache.ts'
import { publish, sourceOf } from '../../lib/events.ts'

/** Reason of an expiry: idle for too long, the absolute timeout, or a lost response that was requested again too late. */
export type Expiry = 'idle' | 'absolute' | 'late'

export type ReportExpiry = (session: { sid: string, subject: string }, outcome: Expiry, request?: { ip: string, id: string }) => void

const remembered = 10_000

/**
 * Creates a function that publishes `session.expired` once for each session, however often its client returns. It remembers the last ten
 * thousand sessions.
 */
export function createExpiryReport (where: object): ReportExpiry {
  const told = new RecencyCache<true>(remembered)
  return ({ sid, subject }, outcome, request) => {
    if (told.get(sid) !== undefined) return
    told.set(sid, true)
    publish({ event: 'session.expired', sid, subject, outcome, ...request === undefined ? {} : sourceOf(request) }, where)
  }
}
