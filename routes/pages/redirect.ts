import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { stepUpOf } from '../../lib/http/login-url.ts'
import { isNavigation } from '../../lib/http/navigation.ts'
import { ownHeaders } from '../../lib/http/security-headers.ts'
import { localPath, signInAddress } from '../../lib/http/return-to.ts'
import { noteRefusal, sendProblem } from '../../plugins/errors.ts'
import { needsSignIn } from './words.ts'

export interface SignInRedirectOptions {
  origin: string
  signInPath: string
  /** Whether the Authorization header belongs to the upstream and not to the gateway. */
  ignoreBearer: boolean
}

/**
 * Creates the error handler that redirects navigations without a session, or with one whose authentication is too old, to the
 * sign-in page; a problem document is of no use to a user. Not for scopes that take tokens only, where a page sign-in would not
 * help.
 */
export function createSignInRedirect ({ origin, signInPath, ignoreBearer }: SignInRedirectOptions) {
  const security = ownHeaders(origin)
  return function redirectOrSendProblem (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void {
    const isStepUp = error.code === 'PTC_ERR_STEP_UP_REQUIRED'
    const stepUp = { isStepUp, ...stepUpOf(error) }
    const isHelped = (isStepUp || needsSignIn(error)) && (ignoreBearer || !hasBearer(request))
    // A form that was posted cannot be posted again after a redirect.
    if (!isHelped || !isNavigation(request.raw.method, request.raw.headers)) return sendProblem(error, request, reply, security, isHelped ? { signInPath: signInAddress(signInPath, null, stepUp) } : {})
    noteRefusal(error, request)
    // An address that is too long to return to yields null, and the sign-in page uses its default.
    const path = localPath(request.raw.url!, origin)
    void reply.headers(security).header('cache-control', 'no-store').redirect(signInAddress(signInPath, path, stepUp), 303)
  }
}

function hasBearer ({ headers }: FastifyRequest): boolean {
  return /^bearer\b/i.test(headers.authorization ?? '')
}
