import { METHODS, type IncomingHttpHeaders } from 'node:http'

const usualMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
const usualHeaders = ['authorization', 'content-type']
const headerNames = /^[\w!#$%&'*+.^`|~-]+(?:[ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]+)*$/

/** Response headers that applications need and that scripts of other origins cannot read by default. */
const exposedHeaders = 'WWW-Authenticate, Retry-After, X-Request-Id'

/** Time for which a browser may cache the response to a preflight, in seconds. */
const maxAgeSeconds = 600

/** Returns whether a request is a preflight (Fetch, "CORS-preflight request"). */
export function isPreflight (method: string, headers: IncomingHttpHeaders): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined
}

/**
 * Returns the response headers for a preflight from an allowed origin. They never include Access-Control-Allow-Credentials, because cookies
 * are for the gateway's own origin.
 */
export function preflightHeaders (origin: string, asked: IncomingHttpHeaders): Record<string, string> {
  const method = asked['access-control-request-method']
  const methods = isMethod(method) && !usualMethods.includes(method) ? [...usualMethods, method] : usualMethods
  return {
    'access-control-allow-origin': origin,
    'access-control-allow-methods': methods.join(', '),
    'access-control-allow-headers': allowedHeaders(asked['access-control-request-headers']).join(', '),
    'access-control-max-age': String(maxAgeSeconds)
  }
}

/** Returns the headers that let an allowed origin read the response to its request. */
export function readableHeaders (origin: string): Record<string, string> {
  return { 'access-control-allow-origin': origin, 'access-control-expose-headers': exposedHeaders }
}

/**
 * Returns an upstream's headers without its CORS headers. If the gateway's headers let the client read the response,
 * Access-Control-Expose-Headers is kept: only the upstream knows which of its headers an application needs.
 */
export function withoutCors (upstream: IncomingHttpHeaders, ours: Record<string, unknown>): IncomingHttpHeaders {
  const isReadable = 'access-control-allow-origin' in ours
  const rest = Object.create(null) as IncomingHttpHeaders
  for (const name in upstream) {
    if (!name.startsWith('access-control-') || (isReadable && name === 'access-control-expose-headers')) rest[name] = upstream[name]
  }
  return rest
}

function isMethod (method: string | string[] | undefined): method is string {
  return typeof method === 'string' && METHODS.includes(method) && method !== 'TRACE' && method !== 'CONNECT'
}

/** Returns all requested headers, which any client other than a browser could send as well. */
function allowedHeaders (asked: string | string[] | undefined): string[] {
  if (typeof asked !== 'string' || !headerNames.test(asked)) return usualHeaders
  return [...new Set([...usualHeaders, ...asked.toLowerCase().split(',').map(name => name.trim())])]
}
