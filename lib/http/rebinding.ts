import { isIP } from 'node:net'
import type { IncomingHttpHeaders } from 'node:http'

/** A host with an optional port, which may be empty (RFC 3986, section 3.2.3). The groups hold the host without the brackets of IPv6. */
const hostPattern = /^(?:\[([^\]]+)\]|([^:]*))(?::\d*)?$/

/** Headers that browsers send, and clients for monitoring do not. So is every header whose name begins with `Sec-`. */
const browserHeaders = new Set(['accept-language', 'access-control-request-headers', 'access-control-request-method', 'access-control-request-private-network', 'cookie', 'dnt', 'origin', 'referer', 'service-worker', 'upgrade-insecure-requests'])

/**
 * Returns whether the request may come from a page whose name was made to resolve to this address (DNS rebinding). The browser treats such
 * a page as same-origin.
 * An IP address, a name without a dot and `localhost` cannot be the name of such a page, and `ownHost` is trusted. Other names are rejected
 * only for browsers, because monitoring may use any name. One header that only browsers send is sufficient, because extensions, privacy
 * settings and proxies remove some of them.
 */
export function mayBeRebound (headers: IncomingHttpHeaders, ownHost: string): boolean {
  const parsed = hostPattern.exec(headers.host ?? '')
  // A Host that cannot be parsed is not known to be a safe name.
  if (parsed === null) return isFromBrowser(headers)
  const [, address, name = ''] = parsed
  const host = (address ?? name).toLowerCase().replace(/\.$/, '')
  const isOwn = isIP(host) !== 0 || !host.includes('.') || host.endsWith('.localhost') || host === ownHost.toLowerCase()
  return !isOwn && isFromBrowser(headers)
}

function isFromBrowser (headers: IncomingHttpHeaders): boolean {
  return /^(?:mozilla|opera)\//i.test(headers['user-agent'] ?? '') || Object.keys(headers).some(name => browserHeaders.has(name) || name.startsWith('sec-'))
}
