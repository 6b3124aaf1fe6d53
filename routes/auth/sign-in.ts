import type { FastifyReply } from 'fastify'
import { LoginRefusedError } from '../../lib/errors.ts'
import { publish, sourceOf } from '../../lib/events.ts'
import type { SessionView } from '../../lib/session/lifetime.ts'
import type { Portcullis } from '../../plugins/portcullis.ts'
import { assertNoCookieTwice, findCarried } from '../../plugins/session/presented.ts'
import type { TokenResponse } from '../../plugins/refresh-token/refresh-tokens.ts'
import type { SessionMode } from '../../lib/session/record.ts'
import type { PasswordVerifier } from './password-verifier.ts'
import { limitSignIn } from './limits.ts'

export interface SignInOptions {
  username: string
  password: string
  mode: SessionMode
  /** What the session is good for. */
  audiences: string[]
  identity: PasswordVerifier
  portcullis: Portcullis
}

/** Opens a session for whoever's password this is, and ends those that the request carries. Throws LoginRefusedError, whatever was wrong. */
export async function signIn (reply: FastifyReply, options: SignInOptions): Promise<{ session: SessionView } | TokenResponse> {
  const { username, password, mode, audiences, identity, portcullis } = options
  const { request } = reply
  assertNoCookieTwice(request, portcullis)
  const account = accountOf(username, identity)
  const subject = await limitSignIn(reply, username, portcullis, async () => {
    // Not after the password: a user who is signed out between that and the new session would be signed in again by it.
    await findCarried(reply, portcullis)
    return await identity.verify({ username, password })
  }, account)
  if (subject === null) {
    publish({ event: 'login.refused', ...account, ...sourceOf(request) }, portcullis)
    throw new LoginRefusedError()
  }
  return mode === 'session'
    ? await reply.openSession({ ...subject, username, audiences })
    : await reply.openFamily({ ...subject, username, audiences })
}

/** The account that a sign-in is tried for, as events may name it: by its subject. A name that is no account's may be a mistyped password. */
function accountOf (username: string, identity: PasswordVerifier): { subject: string } | { account: 'unknown' } | undefined {
  if (identity.subjectOf === undefined) return undefined
  const subject = identity.subjectOf(username)
  return subject === null ? { account: 'unknown' } : { subject }
}
