import { isIP } from 'node:net'
import type { IncomingHttpHeaders } from 'node:http'

/** A host and its port as in a Host header; the host without the brackets of IPv6. */
const hostPattern = /^(?:\[([^\]]+)\]|([^:]*))(?::\d+)?$/

/**
 * Whether a page could have sent the request after its own name was made to point at this address (DNS rebinding): to the browser
 * such a page is of this very origin. An address, a name without a dot and `localhost` cannot be the name of such a page, and
 * `ownHost` is known. Other names are refused to browsers alone, which send Accept-Language with every request, because monitoring
 * asks by any name.
 */
export function mayBeRebound (headers: IncomingHttpHeaders, ownHost: string): boolean {
  const [, address, name = ''] = hostPattern.exec(headers.host ?? '') ?? []
  const host = (address ?? name).toLowerCase().replace(/\.$/, '')
  const isOwn = isIP(host) !== 0 || !host.includes('.') || host.endsWith('.localhost') || host === ownHost.toLowerCase()
  return !isOwn && (headers['accept-language'] !== undefined || headers.cookie !== undefined || headers['sec-fetch-mode'] !== undefined || /^mozilla\//i.test(headers['user-agent'] ?? ''))
}
