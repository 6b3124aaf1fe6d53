import { isIdle } from '../lib/session/record.ts'
import { viewSession } from '../lib/session/view.ts'
import { required, type Arguments } from './arguments.ts'
import { writeAudit } from './audit.ts'
import type { Edge } from './edge.ts'
import { withStore } from './with-store.ts'

/**
 * Lists a subject's sessions, one JSON object a line. The listing is audited, because a session shows the address and the device of
 * its user.
 */
export async function sessionsCommand (args: Arguments, edge: Edge): Promise<number> {
  const { stdout } = edge
  const subject = required(args, 'subject')
  return await withStore(required(args, 'config'), edge, async (store, { session: { idleTimeoutMs } }) => {
    const records = (await store.list(subject)).filter(record => !isIdle(record, store.nowMs(), idleTimeoutMs))
    writeAudit(edge, { event: 'sessions.listed', subject, sessions: records.length })
    for (const record of records) stdout.write(`${JSON.stringify({ ...viewSession(record, idleTimeoutMs), origin: record.origin ?? null })}\n`)
    return 0
  })
}
