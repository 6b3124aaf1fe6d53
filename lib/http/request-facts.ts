import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

/**
 * The facts of a request that a caller is judged by. A FastifyRequest has them under these names, so that no object is made for a
 * request; a front end that decides for another proxy makes them from what that proxy tells.
 */
export interface RequestFacts {
  /** The id of the request in the log, and in its answer. */
  readonly id: string
  /** The address of the client. */
  readonly ip: string
  readonly method: string
  /** The path with its query, as the client sent it. */
  readonly originalUrl: string
  readonly headers: IncomingHttpHeaders
  /** The headers as they arrived, with those that were sent more than once. */
  readonly raw: Pick<IncomingMessage, 'headers' | 'rawHeaders'>
}
