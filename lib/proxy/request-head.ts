export interface OutgoingRequest {
  method: string
  path: string
  /** Value of Host. */
  host: string
  /** Name, value, name, value…, with names in lower case; without Host, Connection, Upgrade and Transfer-Encoding. */
  headers: readonly string[]
  hasBody: boolean
  /** True if the request asks for a WebSocket. */
  isUpgrade: boolean
}

/** Methods for which servers expect a body, so that its absence is stated (RFC 9110, section 8.6). */
const withContent = new Set(['POST', 'PUT', 'PATCH'])

export interface FormattedRequest {
  /** The head in Latin-1, with the empty line that ends it. */
  text: string
  /** True if the head says that the body is sent in chunks. */
  isChunked: boolean
}

/**
 * Formats the head of a request (RFC 9112, section 3). The caller has checked the headers. A body without Content-Length is sent in chunks.
 */
export function formatRequest ({ method, path, host, headers, hasBody, isUpgrade }: OutgoingRequest): FormattedRequest {
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${isUpgrade ? 'connection: Upgrade\r\nupgrade: websocket' : 'connection: keep-alive'}\r\n`
  let hasLength = false
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!
    if (name === 'content-length') hasLength = true
    text += `${name}: ${headers[i + 1]!}\r\n`
  }
  if (hasBody && !hasLength) return { text: `${text}transfer-encoding: chunked\r\n\r\n`, isChunked: true }
  return { text: !hasLength && withContent.has(method) ? `${text}content-length: 0\r\n\r\n` : `${text}\r\n`, isChunked: false }
}

/** Methods whose repetition is harmless (RFC 9110, section 9.2.2, and the registry of methods). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PROPFIND', 'REPORT', 'SEARCH'])

/** Returns whether a request with this method and without a body can be repeated if its first response was lost. */
export function isIdempotent (method: string): boolean {
  return idempotent.has(method)
}

/** Returns whether headers as name, value, name, value… can be part of a head as they are. */
export function areHeaders (headers: readonly string[]): boolean {
  for (let i = 0; i < headers.length; i += 2) if (!/^[\w!#$%&'*+.^`|~-]+$/.test(headers[i]!) || !/^[\t\x20-\x7e\x80-\xff]*$/.test(headers[i + 1]!)) return false
  return true
}
