import type { FastifyRequest } from 'fastify'
import { publish, sourceOf } from '../../lib/events.ts'
import type { Portcullis } from '../../plugins/portcullis.ts'

/** Why a sign-in at a provider was refused, for events. */
export type Reason =
  /** The answer belongs to no sign-in of this browser, or the sign-in has expired. */
  | 'no-transaction'
  /** The answer came to the address of another provider. */
  | 'mix-up'
  /** The answer was used before, more than once. */
  | 'repeated'
  /** The answer is not valid. */
  | 'invalid'
  /** The provider has refused, for example because the user has cancelled. */
  | 'denied'
  /** The configuration does not allow the user. */
  | 'not-allowed'
  /** A function of the application has refused. */
  | 'application'
  /** The provider did not authenticate the user again, although it was asked to. */
  | 'not-recent'
  /** The provider has ended its session meanwhile. */
  | 'logged-out'
  /** The session to strengthen has ended, or the step-up began too long ago. */
  | 'no-session'
  /** The provider has authenticated another user than that of the session to strengthen. */
  | 'other-user'
  /** The provider cannot be reached. */
  | 'unavailable'

/** Publishes a refusal, and returns the error to throw. */
export function refused (request: FastifyRequest, { provider, reason, subject, portcullis }: { provider: string, reason: Reason, subject?: string, portcullis: Portcullis }, error: Error): Error {
  publish({ event: 'login.refused', provider, outcome: reason, ...subject === undefined ? {} : { subject }, ...sourceOf(request) }, portcullis)
  return error
}
