import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

/**
 * The facts of a request on which an access decision depends. FastifyRequest has them under these names, so no object is created for a
 * request. A front end that decides for another proxy creates them from what that proxy reports.
 */
export interface RequestFacts {
  /** Id of the request, in the log and in its response. */
  readonly id: string
  /** Address of the client. */
  readonly ip: string
  readonly method: string
  /** The path with its query, as the client sent it. */
  readonly originalUrl: string
  readonly headers: IncomingHttpHeaders
  /** Headers as they arrived, including those that were sent more than once. */
  readonly raw: Pick<IncomingMessage, 'headers' | 'rawHeaders'>
}
