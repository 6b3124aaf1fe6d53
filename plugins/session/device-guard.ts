import type { FastifyReply } from 'fastify'
import type { RequestFacts } from '../../lib/http/request-facts.ts'
import type { SessionRecord } from '../../lib/session/record.ts'

/** The part of device binding that sessions depend on; without it, no session is bound. */
export interface DeviceGuard {
  /** A session cookie is being set: the moment to offer the browser a binding. */
  offer (reply: FastifyReply, record: SessionRecord): void
  /** The device cookie of a request. Throws CookieDuplicateError when there are two. */
  read (request: RequestFacts): string | null
  /**
   * Until when, by the store's clock, this is the device cookie of a session; null when it is not its. Throws StoreUnavailableError
   * when this process cannot tell.
   */
  endOf (deviceCookie: string, sid: string): number | null
  /** What is thrown when a request of a bound session comes without its device cookie. */
  refusal (request: RequestFacts | undefined): Error
}
