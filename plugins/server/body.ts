import type { IncomingMessage } from 'node:http'

/** Maximum length of a body that is sent as one string with the headers, which Node writes without a vector of buffers. */
export const smallBodyBytes = 8192

/** Returns whether a request has a body, which no method rules out (RFC 9112, section 6). */
export function hasBody (request: IncomingMessage): boolean {
  const { headers } = request
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] !== undefined && headers['content-length'] !== '0')
}

/**
 * Marks a request without a body as read to its end and closed, as node:http itself does with `optimizeEmptyRequests`: the events of an
 * empty stream cost about 4 µs. Call it only if the request is not read or watched any more.
 */
export function endEmpty (request: IncomingMessage & { _dumpAndCloseReadable?: () => void }): void {
  request._dumpAndCloseReadable?.()
}
