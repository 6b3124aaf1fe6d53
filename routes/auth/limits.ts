import type { FastifyReply, FastifyRequest } from 'fastify'
import { SessionInvalidError } from '../../lib/errors.ts'
import type { Portcullis } from '../../plugins/portcullis.ts'
import type { Budget, LimitedAccount } from '../../plugins/rate-limit.ts'
import type { SessionRecord } from '../../lib/session/record.ts'

/** An application may go without the plugin, and limit sign-ins in its own way. */
type Parts = Omit<Portcullis, 'rateLimit'> & Partial<Pick<Portcullis, 'rateLimit'>>

/** Verifies unless the address or the account has used its budget up: the same refusal whether or not there is such an account. */
export async function limitSignIn<Result> (reply: FastifyReply, username: string, { rateLimit }: Parts, verify: () => Promise<Result | null>, account?: LimitedAccount): Promise<Result | null> {
  return rateLimit === undefined ? await verify() : await rateLimit.signIn(reply, username, verify, account)
}

/** Verifies unless the account has used its budget up: guesses at a step-up and at sign-in are counted together. */
export async function limitStepUp<Result> (request: FastifyRequest, username: string, { rateLimit }: Parts, verify: () => Promise<Result | null>, account?: LimitedAccount): Promise<Result | null> {
  return rateLimit === undefined ? await verify() : await rateLimit.attempt(request, username, verify, account)
}

/**
 * Honest clients are counted by session, because many may share one address. What is no token of ours has no session: it is
 * counted by address, so guessing ends without touching anybody's. To present nothing is no guess.
 */
export async function limitRefresh<Result> (reply: FastifyReply, { rateLimit, cookies, refreshToken }: Parts, rotate: (budget?: Budget) => Promise<Result>): Promise<Result> {
  const cookie = cookies.read(reply.request, 'refresh')
  if (rateLimit === undefined || cookie === null) return await rotate()
  const parsed = refreshToken.parse(cookie)
  if (parsed.result === 'unknown-key') return await rotate()
  return await rateLimit.refresh(reply, parsed.result === 'genuine' ? parsed.sid : null, rotate)
}

/**
 * The same for proofs of devices: a session's own are counted by it and the address, and never by what a stranger says its cookie is;
 * cookies that are no session's are counted by address.
 */
export async function limitDevice<Result> (reply: FastifyReply, { rateLimit, deviceBound }: Parts, prove: (record: SessionRecord) => Promise<Result>): Promise<Result> {
  let record: SessionRecord
  try {
    record = await deviceBound.presented(reply.request)
  } catch (error) {
    if (rateLimit === undefined || !(error instanceof SessionInvalidError)) throw error
    return await rateLimit.refresh(reply, null, async () => { throw error })
  }
  await rateLimit?.device(reply, record.sid)
  return await prove(record)
}
