import type { FastifyReply, FastifyRequest } from 'fastify'
import type { SessionRecord } from '../../lib/session/record.ts'

/** What sessions ask of whoever binds them to devices; without one, none is bound. */
export interface DeviceGuard {
  /** A session cookie is being set: the moment to offer the browser a binding. */
  offer (reply: FastifyReply, record: SessionRecord): void
  /** The device cookie of a request. Throws CookieDuplicateError when there are two. */
  read (request: FastifyRequest): string | null
  /**
   * Until when, by the store's clock, this is the device cookie of a session; null when it is not its. Throws StoreUnavailableError
   * when this process cannot tell.
   */
  endOf (deviceCookie: string, sid: string): number | null
  /** What is thrown when a request of a bound session comes without its device cookie. */
  refusal (request: FastifyRequest | undefined): Error
}
