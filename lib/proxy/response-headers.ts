import type { IncomingHttpHeaders } from 'node:http'
import type { OwnCookies } from '../http/own-cookies.ts'
import { connectionOptions, fold, hopByHop } from './request-head.ts'

/*
 * The headers of an upstream's response as a client receives them.
 */

/**
 * Upstream headers that are never returned. Browsers keep the sessions of an origin by the session headers, and the gateway owns the
 * sessions of its origin. The names of earlier drafts are included.
 */
const neverReturned = new Set([...hopByHop, 'secure-session-registration', 'secure-session-challenge', 'sec-session-registration', 'sec-session-challenge'])

/** Returns whether a header of this name, in lower case, is never part of an upstream's response as a client receives it. */
export function isNeverReturned (name: string): boolean {
  return neverReturned.has(name)
}

/** Response headers of the gateway that are added to those of the upstream; all others replace them. */
const combined = new Set(['set-cookie', 'vary', 'access-control-expose-headers'])

/**
 * Returns the headers for the client as name, value, name, value…: those of the upstream, with those of the reply added or in their place.
 * An upstream never sets or clears a Portcullis cookie.
 */
export function responseHeaders (upstream: IncomingHttpHeaders, status: number, ours: Record<string, unknown>, ownCookies: OwnCookies): Array<string | string[]> {
  const returned: Array<string | string[]> = []
  const named = connectionOptions(upstream.connection)
  let length: string | string[] | null = null
  for (const name in upstream) {
    if (neverReturned.has(name) || named?.has(fold(name)) === true || (Object.hasOwn(ours, name) && !combined.has(name))) continue
    const value = name === 'set-cookie' ? otherCookies(upstream[name], ownCookies) : returnedValue(name, upstream[name], status)
    if (value === null || value === undefined) continue
    if (name === 'content-length') length = value
    else returned.push(name, value)
  }
  for (const name in ours) {
    const value = ours[name]
    if (value !== undefined) returned.push(name, Array.isArray(value) ? value.map(String) : String(value))
  }
  // Content-Length comes last, because Node decodes a Content-Disposition that follows it as UTF-8, and then rejects or changes its bytes.
  if (length !== null) returned.push('content-length', length)
  return returned
}

function returnedValue (name: string, value: string | string[] | undefined, status: number): string | string[] | null | undefined {
  switch (name) {
    case 'clear-site-data': return value === undefined ? null : withoutCookieClearing(String(value))
    // RFC 9110, section 8.6: a response with 204 or 101 never has Content-Length.
    case 'content-length': return status === 204 || status === 101 ? null : value
    default: return value
  }
}

function otherCookies (value: string | string[] | undefined, ownCookies: OwnCookies): string[] | null {
  const lines = Array.isArray(value) ? value : value === undefined ? [] : [value]
  const others = lines.filter(line => !ownCookies.areSetBy(line))
  return others.length === 0 ? null : others
}

/** Removes `"cookies"` and `"*"` from Clear-Site-Data, because only the gateway signs users out. Returns null if nothing remains. */
export function withoutCookieClearing (value: string): string | null {
  const others = value.split(',').map(directive => directive.trim()).filter(directive => !/^"?(?:cookies|\*)"?$/i.test(directive))
  return others.length === 0 ? null : others.join(', ')
}

/** Returns whether an upstream's response is a stream of server-sent events. */
export function isEventStream (headers: IncomingHttpHeaders): boolean {
  const type = headers['content-type']
  return type !== undefined && /^text\/event-stream\s*(?:;|$)/i.test(type)
}

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

/** Directives by which an upstream declares a response public, or excludes shared caches itself (RFC 9111, sections 3.5 and 5.2.2). */
const decided = /(?:^|,)[ \t]*(?:public|s-maxage=\d+|private|no-store)[ \t]*(?=,|$)/i

/** A quoted argument, which may contain commas, and words that are not directives. */
const quotedArgument = /="(?:[^"\\]|\\.)*"/g

/**
 * Makes an upstream's response private to the owner of the session cookie. The gateway added a credential to the upstream request, which
 * neither caches on the way nor the browser saw. They saw a cookie, which does not prevent a cache from serving the response to another
 * client, and which any page may include in a request if the response allows credentials.
 */
export function keepForOwner (upstream: IncomingHttpHeaders): void {
  upstream['cache-control'] = decidedOrPrivate(upstream['cache-control'])
  if (upstream['access-control-allow-credentials'] !== undefined) delete upstream['access-control-allow-credentials']
  for (const name in upstream) if (isTargeted(name) && !isDecidedAt(name, upstream[name])) delete upstream[name]
}

function decidedOrPrivate (said: string | string[] | undefined): string {
  if (said === undefined) return 'private'
  const text = String(said)
  if (isDecided(text)) return text
  // Caches could read a directive after an unclosed quote as a part of its text.
  return withoutQuoted(text).includes('"') ? 'private' : `${text}, private`
}

function isDecided (text: string): boolean {
  const directives = withoutQuoted(text)
  return decided.test(directives) && !directives.includes('"')
}

/** Removes quoted arguments. A quote remains only if it begins no argument, or if it is not closed. */
function withoutQuoted (text: string): string {
  return text.includes('"') ? text.replace(quotedArgument, '=?') : text
}

/**
 * Returns whether a header directs some shared caches in place of Cache-Control: `CDN-Cache-Control` and those of one vendor (RFC 9213),
 * and the older headers of CDNs and nginx. A header that does not restrict or permit shared caching is removed, so that these caches obey
 * Cache-Control. Adding `private` is not sufficient, because the older headers have no such directive.
 */
function isTargeted (name: string): boolean {
  return name.endsWith('-cache-control') || name === 'surrogate-control' || name === 'edge-control' || name === 'x-accel-expires'
}

function isDecidedAt (name: string, said: string | string[] | undefined): boolean {
  return name === 'x-accel-expires' ? said === '0' : isDecided(String(said))
}
