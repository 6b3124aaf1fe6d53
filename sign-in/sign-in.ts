import type { FastifyReply } from 'fastify'
import { LoginRefusedError } from '../lib/errors.ts'
import { publish, sourceOf } from '../lib/events.ts'
import type { SessionMode } from '../lib/session/record.ts'
import type { SignIn } from '../lib/session/sign-in.ts'
import type { SessionView } from '../lib/session/view.ts'
import { partOrNull, type Portcullis } from '../plugins/portcullis.ts'
import { assertNoCookieTwice, findCarried } from '../plugins/session/carried-sessions.ts'
import type { TokenResponse } from '../plugins/refresh-token/refresh-tokens.ts'
import type { Account, Way } from './way.ts'
import { findWay } from './ways.ts'

export interface SignInOptions {
  ways: readonly Way[]
  /** The members of one of the ways. */
  posted: object
  mode: SessionMode
  /** The audiences of the session. */
  audiences: string[]
  portcullis: Portcullis
}

/**
 * Opens a session for the subject that the posted members authenticate, and ends the sessions that the request carries. Throws
 * LoginRefusedError when they authenticate no subject, for any reason.
 */
export async function signIn (reply: FastifyReply, options: SignInOptions): Promise<{ session: SessionView } | TokenResponse> {
  const { ways, posted, mode, audiences, portcullis } = options
  const { request } = reply
  assertNoCookieTwice(request, portcullis)
  const way = findWay(ways, 'signInFields', posted)
  const account = way.accountOf(posted)
  const authenticated = await countAttempt(reply, account, portcullis, async () => {
    // The carried sessions are read before the authentication. A user who is signed out in between would otherwise be signed in
    // again by the new session.
    await findCarried(reply, portcullis)
    return await way.complete(posted)
  })
  if (authenticated === null) {
    publish({ event: 'login.refused', ...account.known, ...sourceOf(request) }, portcullis)
    throw new LoginRefusedError()
  }
  return mode === 'session'
    ? await reply.openSession({ ...authenticated, audiences })
    : await reply.openFamily({ ...authenticated, audiences })
}

/**
 * Authenticates unless the address or the account has used up its budget. The refusal is identical for existing and unknown
 * accounts. An application may register no rate limit and count sign-ins itself.
 */
async function countAttempt (reply: FastifyReply, { name, known }: Account, portcullis: Portcullis, authenticate: () => Promise<SignIn | null>): Promise<SignIn | null> {
  const rateLimit = partOrNull(portcullis, 'rateLimit')
  return rateLimit === null ? await authenticate() : await rateLimit.signIn(reply, name, authenticate, known)
}
