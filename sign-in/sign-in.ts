import type { FastifyReply } from 'fastify'
import { LoginRefusedError } from '../lib/errors.ts'
import { publish, sourceOf } from '../lib/events.ts'
import type { PendingChallenge } from '../lib/session/challenge-token.ts'
import type { SessionMode } from '../lib/session/record.ts'
import type { SessionView } from '../lib/session/view.ts'
import { partOrNull, type Portcullis } from '../plugins/portcullis.ts'
import { assertNoCookieTwice, findCarried } from '../plugins/session/carried-sessions.ts'
import type { TokenResponse } from '../plugins/refresh-token/refresh-tokens.ts'
import { isSecondFactorDemand } from '../users/password-source.ts'
import { epochNow, isCutOff } from './cuts.ts'
import { open, type OpenOptions } from './open.ts'
import { createChallenge, verifyAnswer, type Answer } from './second-factor.ts'
import type { Account, Way } from './way.ts'
import { findWay } from './ways.ts'

export interface SignInOptions extends OpenOptions {
  ways: readonly Way[]
  /** The members of one of the ways. */
  posted: object
}

/**
 * Opens a session for the subject that the posted members authenticate, and ends the sessions that the request carries. Throws
 * LoginRefusedError when they authenticate no subject, for any reason, and SecondFactorRequiredError when a second factor is missing.
 */
export async function signIn (reply: FastifyReply, options: SignInOptions): Promise<{ session: SessionView } | TokenResponse> {
  const { ways, posted, mode, audiences, portcullis } = options
  const { request } = reply
  assertNoCookieTwice(request, portcullis)
  const way = findWay(ways, 'signInFields', posted)
  const { name, known } = way.accountOf(posted)
  const authenticated = await countAttempt(reply, { name, known }, portcullis, async () => {
    // The carried sessions are read before the authentication. A user who is signed out in between would otherwise be signed in
    // again by the new session.
    await findCarried(reply, portcullis)
    return await way.complete(posted)
  })
  if (authenticated === null) {
    publish({ event: 'login.refused', ...known, ...sourceOf(request) }, portcullis)
    throw new LoginRefusedError()
  }
  if (!isSecondFactorDemand(authenticated)) return await open(reply, authenticated, options)
  const subject = authenticated.subject ?? (known !== undefined && 'subject' in known ? known.subject : null)
  const epoch = await epochNow(subject, portcullis)
  throw createChallenge(reply, authenticated, { way, for: { use: 'sign-in', mode, audiences, epoch }, account: name, subject, portcullis })
}

export interface AnswerSignInOptions {
  ways: readonly Way[]
  answer: Answer
  /** The mode that the route can open a session in. Default: any. */
  mode?: SessionMode
  portcullis: Portcullis
}

/** Completes a sign-in that was asked for a second factor. It has the mode and the audiences that its first request named. */
export async function answerSignIn (reply: FastifyReply, { ways, answer, mode, portcullis }: AnswerSignInOptions): Promise<{ session: SessionView } | TokenResponse> {
  const { request } = reply
  assertNoCookieTwice(request, portcullis)
  const { authenticated, pending } = await verifyAnswer(request, answer, {
    ways,
    portcullis,
    isFor: pending => isSignIn(pending, mode),
    isRight: async ({ subject }, pending) => pending.for.use === 'sign-in' && !await isCutOff(subject, pending.for.epoch, portcullis),
    async count (pending, verify) {
      const known = pending?.subject == null ? undefined : { subject: pending.subject }
      return await countAttempt(reply, { name: pending?.account ?? null, known }, portcullis, async () => {
        await findCarried(reply, portcullis)
        return await verify()
      })
    }
  })
  if (pending.for.use !== 'sign-in') throw new LoginRefusedError()
  return await open(reply, authenticated, { ...pending.for, portcullis })
}

/** Returns whether a challenge belongs to a sign-in in the mode; without one, in any mode. */
export function isSignIn ({ for: use }: PendingChallenge, mode?: SessionMode): boolean {
  return use.use === 'sign-in' && (mode === undefined || use.mode === mode)
}

interface CountedAccount extends Pick<Account, 'known'> { name: string | null }

/**
 * Authenticates unless the address or the account has used up its budget. The refusal is identical for existing and unknown
 * accounts. An application may register no rate limit and count sign-ins itself.
 */
async function countAttempt<Result> (reply: FastifyReply, { name, known }: CountedAccount, portcullis: Portcullis, authenticate: () => Promise<Result | null>): Promise<Result | null> {
  const rateLimit = partOrNull(portcullis, 'rateLimit')
  return rateLimit === null ? await authenticate() : await rateLimit.signIn(reply, name, authenticate, known)
}
