import type { IncomingMessage } from 'node:http'

/** Whether a request has a body, which no method rules out (RFC 9112, section 6). */
export function hasBody (request: IncomingMessage): boolean {
  const { headers } = request
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] !== undefined && headers['content-length'] !== '0')
}
