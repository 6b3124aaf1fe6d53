import type { FastifyRequest } from 'fastify'
import { SessionNotFoundError } from '../lib/errors.ts'
import { publish, sourceOf } from '../lib/events.ts'
import type { Identity } from '../lib/identity.ts'
import { freshSeconds } from '../lib/session/record.ts'
import { isSid } from '../lib/session/sid.ts'
import type { Portcullis } from '../plugins/portcullis.ts'

export interface EndSessionOptions {
  sid: string
  /** The caller, to whose subject the session has to belong. Ending another session than the caller's needs a recent authentication. */
  by: Pick<Identity, 'subject' | 'sid' | 'authTime' | 'provider'>
  portcullis: Portcullis
}

/** Ends one session of the caller's subject, durably. */
export async function endSession (request: FastifyRequest, { sid, by, portcullis }: EndSessionOptions): Promise<void> {
  if (sid !== by.sid) portcullis.assertRecent(by.authTime, freshSeconds, by.provider?.name)
  const record = isSid(sid) ? await portcullis.session.read(sid) : null
  if (record === null || record.subject !== by.subject) throw new SessionNotFoundError()
  const closed = await portcullis.blocklist.close(record.sid)
  if (closed !== null) publish({ event: 'session.closed', sid: record.sid, subject: record.subject, ...sourceOf(request) }, portcullis)
}
