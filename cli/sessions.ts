import { isIdle, viewSession } from '../lib/lifetime.ts'
import { required, type Arguments } from './arguments.ts'
import type { Edge } from './main.ts'
import { withStore } from './with-store.ts'

/** Lists a subject's sessions, one JSON object a line. */
export async function sessionsCommand (args: Arguments, { env, stdout, stderr }: Edge): Promise<number> {
  const subject = required(args, 'subject')
  return await withStore(required(args, 'config'), { env, stderr }, async (store, { session: { idleTimeoutMs } }) => {
    for (const record of await store.list(subject)) {
      if (!isIdle(record, store.nowMs(), idleTimeoutMs)) stdout.write(`${JSON.stringify({ ...viewSession(record, idleTimeoutMs), origin: record.origin ?? null })}\n`)
    }
    return 0
  })
}
