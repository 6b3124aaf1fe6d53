import type { FastifyReply } from 'fastify'
import { SessionInvalidError } from '../lib/errors.ts'
import type { SessionRecord } from '../lib/session/record.ts'
import { partOrNull, type Portcullis } from '../plugins/portcullis.ts'

/**
 * Passes the session whose cookie the request carries to `prove`, unless its budget is used up. Proofs of a session are counted by
 * session and address, so that a client with a copied cookie uses up a separate budget; cookies that belong to no session are
 * counted by address.
 */
export async function proveDevice<Result> (reply: FastifyReply, portcullis: Portcullis, prove: (record: SessionRecord) => Promise<Result>): Promise<Result> {
  const rateLimit = partOrNull(portcullis, 'rateLimit')
  let record: SessionRecord
  try {
    record = await portcullis.deviceBound.presented(reply.request)
  } catch (error) {
    if (rateLimit === null || !(error instanceof SessionInvalidError)) throw error
    return await rateLimit.refresh(reply, null, async () => { throw error })
  }
  await rateLimit?.device(reply, record.sid)
  return await prove(record)
}
