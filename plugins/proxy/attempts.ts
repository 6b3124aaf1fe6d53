import { isIdempotent } from '../../lib/proxy/request-head.ts'
import type { Connection, ConnectionTarget } from './connection.ts'

/** What was tried for a request whose connection has failed. */
export class Attempts {
  /** Targets that could not be reached. */
  readonly tried: ConnectionTarget[] = []
  #isRepeated = false

  /**
   * Returns how a request can go on after a failure before its response: at a target that was not tried, because nothing was sent; once again,
   * because that is certainly harmless; or not at all.
   */
  after (connection: Connection, { method, hasBody }: { method: string, hasBody: boolean }): 'elsewhere' | 'again' | null {
    if (!connection.isOpen) {
      this.tried.push(connection.target)
      return 'elsewhere'
    }
    // No part of a response, not even a 103, may have arrived.
    if (this.#isRepeated || hasBody || !connection.isUnread || !isIdempotent(method)) return null
    this.#isRepeated = true
    // The other unused connections were closed for the same reason, in most cases.
    connection.target.dropIdle()
    return 'again'
  }
}
