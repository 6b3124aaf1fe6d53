import type { FastifyReply } from 'fastify'
import type { RequestFacts } from '../../lib/http/request-facts.ts'
import type { SessionRecord } from '../../lib/session/record.ts'

/** The part of device binding that sessions depend on; without it, no session is bound. */
export interface DeviceGuard {
  /** Offers the browser a binding, when a session cookie is set. */
  offer (reply: FastifyReply, record: SessionRecord): void
  /** Returns the device cookie of a request. Throws CookieDuplicateError if there are two. */
  read (request: RequestFacts): string | null
  /**
   * Returns the expiry of a session's device cookie, by the store's clock; null if the cookie is not one of the session. Throws
   * StoreUnavailableError if this process cannot determine it.
   */
  endOf (deviceCookie: string, sid: string): number | null
  /** Returns the error for a request of a bound session without its device cookie. */
  refusal (request: RequestFacts | undefined): Error
}
