import { METHODS, type IncomingHttpHeaders } from 'node:http'

const usualMethods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
const usualHeaders = ['authorization', 'content-type']
const headerNames = /^[\w!#$%&'*+.^`|~-]+(?:[ \t]*,[ \t]*[\w!#$%&'*+.^`|~-]+)*$/

/** What an application has to read of an answer to go on, and scripts of other origins could not otherwise. */
const exposedHeaders = 'WWW-Authenticate, Retry-After, X-Request-Id'

/** How long a browser may remember the answer to a preflight. */
const maxAgeSeconds = 600

/** Whether a browser asks if it may (Fetch, "CORS-preflight request"). */
export function isPreflight (method: string, headers: IncomingHttpHeaders): boolean {
  return method === 'OPTIONS' && headers.origin !== undefined && headers['access-control-request-method'] !== undefined
}

/** The answer to a preflight of an allowed origin. Never Allow-Credentials: cookies are for our own origin. */
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

/** What lets an allowed origin read the answer to its request. */
export function readableHeaders (origin: string): Record<string, string> {
  return { 'access-control-allow-origin': origin, 'access-control-expose-headers': exposedHeaders }
}

/**
 * An upstream's headers without what it says of other origins. Where ours let the client read the answer, what the upstream
 * exposes stays: which of its headers an application needs, it alone knows.
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

/** All that is asked for: what a client sends, it can send without a browser too. */
function allowedHeaders (asked: string | string[] | undefined): string[] {
  if (typeof asked !== 'string' || !headerNames.test(asked)) return usualHeaders
  return [...new Set([...usualHeaders, ...asked.toLowerCase().split(',').map(name => name.trim())])]
}
