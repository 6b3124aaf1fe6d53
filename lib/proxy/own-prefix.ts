import type { IncomingHttpHeaders } from 'node:http'

export interface Place {
  /** Prefix of the upstream: `/`, or a path without a trailing slash. */
  prefix: string
  /** Scheme, host and port that browsers see. */
  origin: string
}

/**
 * Removes the headers of an upstream's response to `url` that browsers would apply beyond the upstream's prefix. Service workers are
 * limited to the prefix: without Service-Worker-Allowed their scope is the directory of the script, which lies outside for a script at the
 * bare prefix.
 */
export function keepWithinPrefix (upstream: IncomingHttpHeaders, url: string, { prefix, origin }: Place): void {
  if (prefix === '/') return
  const own = `${prefix}/`
  const allowed = upstream['service-worker-allowed']
  if (allowed !== undefined && !isScopeWithin(allowed, url, { prefix: own, origin })) delete upstream['service-worker-allowed']
  if (!url.startsWith(own)) upstream['service-worker-allowed'] ??= own
  for (const name of ofTheOrigin) if (upstream[name] !== undefined) delete upstream[name]
  const cleared = upstream['clear-site-data']
  if (cleared !== undefined) keepCacheClearing(upstream, String(cleared))
  const dictionary = upstream['use-as-dictionary']
  if (dictionary !== undefined && !String(dictionary).includes(`match="${own}`)) delete upstream['use-as-dictionary']
}

/**
 * Headers that apply to the whole origin: alternative services, reports of all requests (Network Error Logging and its endpoints), the
 * status of a sign-in (FedCM), and HSTS, with which a service could cancel that of the gateway.
 */
const ofTheOrigin = ['alt-svc', 'nel', 'report-to', 'set-login', 'strict-transport-security']

/** Leaves `"cache"` of Clear-Site-Data, because all other directives remove what other services of the origin have stored. */
function keepCacheClearing (upstream: IncomingHttpHeaders, value: string): void {
  if (/(?:^|,)\s*"cache"\s*(?:,|$)/.test(value)) upstream['clear-site-data'] = '"cache"'
  else delete upstream['clear-site-data']
}

/**
 * Returns whether every scope that a Service-Worker-Allowed header permits lies within `prefix`, which ends with a slash: browsers compare
 * scopes by their beginning, so `/app` would permit `/app-of-others`. A header with several values is rejected, because browsers differ in
 * which one they use.
 */
function isScopeWithin (allowed: string | string[], url: string, { prefix, origin }: Place): boolean {
  if (typeof allowed !== 'string' || allowed.includes(',')) return false
  const scope = URL.parse(allowed, `${origin}${url}`)
  return scope?.origin === origin && scope.pathname.startsWith(prefix)
}
