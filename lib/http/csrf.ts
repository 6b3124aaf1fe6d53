import type { IncomingHttpHeaders } from 'node:http'

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** Whether a method may be sent cross-site without changing anything (RFC 9110, safe methods). */
export function isSafe (method: string): boolean {
  return safeMethods.has(method)
}

/**
 * Whether a browser says that the request was caused by another origin. Fetch metadata decides where there is any;
 * else Origin does. A request with neither comes from no browser, so no browser's cookies were added to it.
 */
export function isForeign (headers: IncomingHttpHeaders, origin: string): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  return headers.origin !== undefined && headers.origin !== origin
}

/** Which header says that a request is foreign, for the log. */
export function foreignReason (headers: IncomingHttpHeaders): string {
  return headers['sec-fetch-site'] === undefined || headers['sec-fetch-site'] === 'same-origin' ? 'Origin is another one' : 'Sec-Fetch-Site says another site'
}

/** The same for a WebSocket, with which every browser sends Origin: both have to be right. */
export function isForeignUpgrade (headers: IncomingHttpHeaders, origin: string): boolean {
  return isForeign(headers, origin) || (headers.origin !== undefined && headers.origin !== origin)
}
