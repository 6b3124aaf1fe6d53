import type { IncomingMessage } from 'node:http'

/** Whether a request has a body, which no method rules out (RFC 9112, section 6). */
export function hasBody (request: IncomingMessage): boolean {
  const { headers } = request
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] !== undefined && headers['content-length'] !== '0')
}

/**
 * Takes a request without a body for one that has been read to its end and closed, as node:http itself does with
 * `optimizeEmptyRequests`: the events of a stream in which nothing comes cost some 4 µs. For when nobody is
 * going to read or watch it any more.
 */
export function endEmpty (request: IncomingMessage & { _dumpAndCloseReadable?: () => void }): void {
  request._dumpAndCloseReadable?.()
}
