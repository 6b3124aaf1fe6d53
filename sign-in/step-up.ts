import type { FastifyReply, FastifyRequest } from 'fastify'
import { CredentialsMissingError, LoginRefusedError, RefreshRefusedError, SessionInvalidError } from '../lib/errors.ts'
import { publish, sourceOf } from '../lib/events.ts'
import type { Strength } from '../lib/session/authentication.ts'
import type { PendingChallenge } from '../lib/session/challenge-token.ts'
import type { SessionRecord } from '../lib/session/record.ts'
import type { SessionView } from '../lib/session/view.ts'
import { partOrNull, type Portcullis } from '../plugins/portcullis.ts'
import type { TokenResponse } from '../plugins/refresh-token/refresh-tokens.ts'
import { clearCookies } from '../plugins/session/carried-sessions.ts'
import { presentedRefreshToken } from './presented-refresh-token.ts'
import { isSecondFactorDemand } from '../users/password-source.ts'
import { stepUpElsewhere } from './provider/step-up.ts'
import { createChallenge, isAnswer, verifyAnswer, type Answer } from './second-factor.ts'
import type { Way } from './way.ts'
import { findWay } from './ways.ts'

export interface StepUpOptions {
  ways: readonly Way[]
  /** The members that one of the ways takes for a step-up, or the answer to its challenge. */
  posted: object
  origin: string
  portcullis: Portcullis
}

/**
 * Authenticates the subject of the session that the request carries again (RFC 9470). What the client holds is replaced at the same
 * time, the secret of the session cookie or the generation of the refresh token, so that an older copy of it gains nothing.
 */
export async function stepUp (request: FastifyRequest, reply: FastifyReply, options: StepUpOptions): Promise<{ session: SessionView } | TokenResponse> {
  const { cookies } = options.portcullis
  if (cookies.read(request, 'session') !== null) return await stepUpSession(request, reply, options)
  const token = presentedRefreshToken(request, options.portcullis)
  if (token === null) throw new CredentialsMissingError()
  return await stepUpFamily(token, reply, options)
}

/** Steps up the session of the session cookie, and no other one. */
export async function stepUpSession (request: FastifyRequest, reply: FastifyReply, options: StepUpOptions): Promise<{ session: SessionView }> {
  const { origin, portcullis } = options
  const { sid } = await portcullis.identify(request, { audience: origin, access: 'session' })
  const record = sid === null ? null : await portcullis.session.read(sid)
  if (record === null) throw new SessionInvalidError()
  const fresh = await authenticateAgain(record, reply, options)
  const renewed = await portcullis.session.renew(reply, record.sid, fresh)
  if (renewed === null) throw new SessionInvalidError()
  publish({ event: 'step_up.done', sid: renewed.sid, subject: renewed.subject, ...sourceOf(request) }, portcullis)
  return { session: portcullis.session.view(renewed) }
}

/** Demands the refresh cookie: a client that merely holds an older access token must never get a fresh `auth_time`. */
async function stepUpFamily (token: NonNullable<ReturnType<typeof presentedRefreshToken>>, reply: FastifyReply, options: StepUpOptions): Promise<TokenResponse> {
  const { session } = options.portcullis
  const record = token.result === 'genuine' ? await session.read(token.sid) : null
  if (record === null) throw new RefreshRefusedError()
  const fresh = await authenticateAgain(record, reply, options)
  const answer = await reply.rotateFamily({ fresh })
  publish({ event: 'step_up.done', sid: record.sid, subject: record.subject, ...sourceOf(reply.request) }, options.portcullis)
  return answer
}

/**
 * Throws LoginRefusedError unless the posted members authenticate the subject of the session, and SecondFactorRequiredError when a second
 * factor is missing. Failures use up the budget that sign-ins to the account have.
 */
async function authenticateAgain (record: SessionRecord, reply: FastifyReply, options: StepUpOptions): Promise<Strength> {
  const { ways, posted, portcullis } = options
  const { sid, subject, username } = record
  const { request } = reply
  if (record.provider !== null) throw stepUpElsewhere(record.provider.name, portcullis)
  if (isAnswer(posted)) return await answerAgain(record, reply, posted, options)
  const way = findWay(ways, 'stepUpFields', posted)
  const fresh = await countAttempt(request, record, portcullis, async () => await way.stepUp(posted, record))
  if (isSecondFactorDemand(fresh)) throw createChallenge(reply, fresh, { way, for: { use: 'step-up', sid }, account: username, subject, portcullis })
  if (fresh !== null) return fresh
  publish({ event: 'login.refused', sid, subject, ...sourceOf(request), outcome: 'step-up' }, portcullis)
  throw new LoginRefusedError()
}

/** Verifies the response to a challenge of this very session. */
async function answerAgain (record: SessionRecord, reply: FastifyReply, answer: Answer, { ways, portcullis }: StepUpOptions): Promise<Strength> {
  const { authenticated: { acr, amr } } = await verifyAnswer(reply.request, answer, {
    ways,
    portcullis,
    isFor: pending => isStepUp(pending, record.sid),
    isRight: ({ subject }) => subject === record.subject,
    count: async (_pending, verify) => await countAttempt(reply.request, record, portcullis, verify)
  })
  clearCookies(reply, portcullis, ['challenge'], { onlyPresent: true })
  return { acr, amr }
}

/** Returns whether a challenge belongs to a step-up of the session. */
export function isStepUp ({ for: use }: PendingChallenge, sid: string): boolean {
  return use.use === 'step-up' && use.sid === sid
}

async function countAttempt<Result> (request: FastifyRequest, { sid, subject, username }: SessionRecord, portcullis: Portcullis, authenticate: () => Promise<Result | null>): Promise<Result | null> {
  const rateLimit = partOrNull(portcullis, 'rateLimit')
  return rateLimit === null ? await authenticate() : await rateLimit.attempt(request, username, authenticate, { sid, subject })
}
