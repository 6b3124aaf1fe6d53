import { RecencyCache } from '../../lib/cache.ts'
import { publish, sourceOf } from '../../lib/events.ts'

/** Idle for too long, as old as it may get, or a lost answer that was asked for again too late. */
export type Expiry = 'idle' | 'absolute' | 'late'

export type ReportExpiry = (session: { sid: string, subject: string }, outcome: Expiry, request?: { ip: string, id: string }) => void

const remembered = 10_000

/** Publishes `session.expired` once for each session, however often its client comes back: the last ten thousand are remembered. */
export function createExpiryReport (where: object): ReportExpiry {
  const told = new RecencyCache<true>(remembered)
  return ({ sid, subject }, outcome, request) => {
    if (told.get(sid) !== undefined) return
    told.set(sid, true)
    publish({ event: 'session.expired', sid, subject, outcome, ...request === undefined ? {} : sourceOf(request) }, where)
  }
}
