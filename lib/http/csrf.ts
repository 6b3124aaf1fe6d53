import type { IncomingHttpHeaders } from 'node:http'

const safeMethods = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

/** Returns whether a method is safe (RFC 9110): a cross-site request that uses it changes nothing. */
export function isSafe (method: string): boolean {
  return safeMethods.has(method)
}

/**
 * Returns whether a browser reports that another origin caused the request. Fetch metadata decides if it is present; otherwise Origin
 * decides. A request with neither comes from no browser, so no browser has added cookies to it.
 */
export function isForeign (headers: IncomingHttpHeaders, origin: string): boolean {
  const site = headers['sec-fetch-site']
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  return headers.origin !== undefined && headers.origin !== origin
}

/** Returns which header identifies a request as foreign, for the log. */
export function foreignReason (headers: IncomingHttpHeaders): string {
  return headers['sec-fetch-site'] === undefined || headers['sec-fetch-site'] === 'same-origin' ? 'Origin is another one' : 'Sec-Fetch-Site says another site'
}

/**
 * Returns whether another origin caused a WebSocket request. Every browser sends Origin with it, so Origin is checked in addition to Fetch
 * metadata.
 */
export function isForeignUpgrade (headers: IncomingHttpHeaders, origin: string): boolean {
  return isForeign(headers, origin) || (headers.origin !== undefined && headers.origin !== origin)
}
