import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { isNavigation } from '../../lib/http/navigation.ts'
import { ownHeaders } from '../../lib/http/security-headers.ts'
import { localPath, signInAddress } from '../../lib/http/return-to.ts'
import { noteRefusal, sendProblem } from '../../plugins/errors.ts'
import { needsSignIn } from './words.ts'

export interface SignInRedirectOptions {
  origin: string
  signInPath: string
  /** Whether the Authorization header is none of ours. */
  ignoreBearer: boolean
}

/**
 * The error handler of a scope whose visitors are sent to the sign-in page: whoever follows a link there without a session, or with
 * one that is not recent enough, cannot do anything with a problem. Not for scopes that take tokens alone: signing in would not help.
 */
export function createSignInRedirect ({ origin, signInPath, ignoreBearer }: SignInRedirectOptions) {
  const security = ownHeaders(origin)
  return function redirectOrSendProblem (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
    const isStepUp = error.code === 'PTC_ERR_STEP_UP_REQUIRED'
    if (!(isStepUp || needsSignIn(error)) || !isNavigation(request.raw.method, request.raw.headers) || (!ignoreBearer && hasBearer(request))) return sendProblem(error, request, reply, security)
    noteRefusal(error, request)
    // What is too long to be led back to is left to the page's default.
    const path = localPath(request.raw.url!, origin)
    void reply.headers(security).header('cache-control', 'no-store').redirect(signInAddress(signInPath, path, { isStepUp }), 303)
  }
}

function hasBearer ({ headers }: FastifyRequest): boolean {
  return /^bearer\b/i.test(headers.authorization ?? '')
}
