import { isIP } from 'node:net'
import type { IncomingHttpHeaders } from 'node:http'

/** A host with an optional port, as in a Host header. The groups hold the host without the brackets of IPv6. */
const hostPattern = /^(?:\[([^\]]+)\]|([^:]*))(?::\d+)?$/

/**
 * Returns whether the request may come from a page whose name was made to resolve to this address (DNS rebinding). The browser treats such
 * a page as same-origin.
 * An IP address, a name without a dot and `localhost` cannot be the name of such a page, and `ownHost` is trusted. Other names are rejected
 * only for browsers, which send Accept-Language with every request, because monitoring may use any name.
 */
export function mayBeRebound (headers: IncomingHttpHeaders, ownHost: string): boolean {
  const [, address, name = ''] = hostPattern.exec(headers.host ?? '') ?? []
  const host = (address ?? name).toLowerCase().replace(/\.$/, '')
  const isOwn = isIP(host) !== 0 || !host.includes('.') || host.endsWith('.localhost') || host === ownHost.toLowerCase()
  return !isOwn && (headers['accept-language'] !== undefined || headers.cookie !== undefined || headers['sec-fetch-mode'] !== undefined || /^mozilla\//i.test(headers['user-agent'] ?? ''))
}
