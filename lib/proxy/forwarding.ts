import type { IncomingHttpHeaders } from 'node:http'
import type { OwnCookies } from '../http/own-cookies.ts'

const hopByHop = ['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings']

/**
 * Client headers that are never forwarded: those that end at the gateway, and those that upstreams accept only from the gateway, including
 * headers from which some upstreams read another path than the one that was checked. `x-forwarded` is recognised by its prefix.
 */
const neverForwarded = new Set([
  ...hopByHop, 'proxy-authorization', 'proxy-authentication-info', 'expect', 'host', 'set-cookie', 'forwarded', 'x-real-ip', 'x-request-id',
  'x-auth-subject', 'x-auth-session', 'x-auth-scope', 'x-original-url', 'x-rewrite-url',
  // CGI programs read it as HTTP_PROXY, the proxy for their own requests.
  'proxy',
  // Proofs of the gateway's own sessions (Device Bound Session Credentials).
  'secure-session-response', 'sec-secure-session-id'
])

/** Names that are forwarded only in this exact spelling; `authorization` is handled separately. */
const neverSpeltOtherwise = new Set(['content-length', 'content-type', 'cookie'])

/** A name that every server reads in the same way: words of letters and digits, separated by one `-`. */
const plainName = /^[a-z\d]+(?:-[a-z\d]+)*$/

/** Plain names that most requests need. A lookup costs less than the regular expression. */
const usualNames = new Set([
  'accept', 'accept-encoding', 'accept-language', 'authorization', 'cache-control', 'connection', 'content-length', 'content-type', 'cookie', 'host', 'if-modified-since', 'if-none-match',
  'origin', 'pragma', 'priority', 'range', 'referer', 'sec-ch-ua', 'sec-ch-ua-mobile', 'sec-ch-ua-platform', 'sec-fetch-dest', 'sec-fetch-mode', 'sec-fetch-site', 'sec-fetch-user',
  'upgrade-insecure-requests', 'user-agent', 'x-requested-with', 'traceparent',
  'cdn-loop', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-port', 'x-forwarded-prefix', 'x-forwarded-proto', 'x-request-id', 'x-auth-subject', 'x-auth-session', 'x-auth-scope'
])

/**
 * Upstream headers that are never returned. Browsers keep the sessions of an origin by the session headers, and the gateway owns the
 * sessions of its origin. The names of earlier drafts are included.
 */
const neverReturned = new Set([...hopByHop, 'secure-session-registration', 'secure-session-challenge', 'sec-session-registration', 'sec-session-challenge'])

/** Response headers of the gateway that are added to those of the upstream; all others replace them. */
const combined = new Set(['set-cookie', 'vary', 'access-control-expose-headers'])

/** Returns the names of client headers that are never forwarded, as servers read them, including `headers`. */
export function neverForwardedWith (headers: readonly string[]): ReadonlySet<string> {
  return headers.length === 0 ? neverForwarded : new Set([...neverForwarded, ...headers.map(fold)])
}

export interface HeaderPolicy {
  /** True if the client's Authorization header is forwarded to the upstream. */
  readonly keepAuthorization: boolean
  /** The gateway's cookies, which no upstream receives or sets. */
  ownCookies: OwnCookies
  /** Client headers that are never forwarded (see `neverForwardedWith`). The default contains no headers of further credential schemes. */
  readonly never?: ReadonlySet<string>
}

/**
 * Returns the headers for an upstream as name, value, name, value…: those of the client, followed by those of the gateway. Connection
 * removes headers of the client, never those that the gateway adds (RFC 9110, section 7.6.1).
 */
export function requestHeaders (client: IncomingHttpHeaders, ours: readonly string[], { keepAuthorization, ownCookies, never = neverForwarded }: HeaderPolicy): string[] {
  const forwarded: string[] = []
  const named = connectionOptions(client.connection)
  const taken = namesOf(ours)
  for (const name in client) {
    const read = isPlain(name) ? name : fold(name)
    if (never.has(read) || isStripped(read, name, keepAuthorization) || named?.has(read) === true || isNameIn(read, taken)) continue
    const value = name === 'cookie' ? ownCookies.without(client.cookie!) : client[name]
    if (typeof value === 'string') forwarded.push(name, value)
  }
  for (let i = 0; i < ours.length; i++) forwarded.push(ours[i]!)
  return forwarded
}

function isPlain (name: string): boolean {
  return usualNames.has(name) || plainName.test(name)
}

/**
 * Reduces a name to its words. CGI-style servers map several spellings to one variable: some replace only `_`, others every character that
 * is not a letter or a digit, and libraries behind them join or trim the result.
 */
function fold (name: string): string {
  return name.toLowerCase().replace(/[^a-z\d]+/g, '-').replace(/^-|-$/g, '')
}

/** Returns whether a client header is removed. `read` is `name` as a CGI-style server reads it. */
function isStripped (read: string, name: string, keepAuthorization: boolean): boolean {
  if (read === 'authorization') return read !== name || !keepAuthorization
  return read.startsWith('x-forwarded') || (read !== name && neverSpeltOtherwise.has(read))
}

/** Returns headers with their names as CGI-style servers read them; usually the given array itself. */
function namesOf (ours: readonly string[]): readonly string[] {
  for (let i = 0; i < ours.length; i += 2) if (!isPlain(ours[i]!)) return ours.map((text, at) => at % 2 === 0 ? fold(text) : text)
  return ours
}

function isNameIn (name: string, headers: readonly string[]): boolean {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return true
  return false
}

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

/** Removes `"cookies"` and `"*"`, because only the gateway signs users out. */
function withoutCookieClearing (value: string): string | null {
  const others = value.split(',').map(directive => directive.trim()).filter(directive => !/^"?(?:cookies|\*)"?$/i.test(directive))
  return others.length === 0 ? null : others.join(', ')
}

/** Returns the names that a Connection header removes, folded; null for the common values, which name none. */
function connectionOptions (connection: string | string[] | undefined): Set<string> | null {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return null
  return new Set(String(connection).split(',').map(fold))
}

/** Returns whether an upstream's response is a stream of server-sent events. */
export function isEventStream (headers: IncomingHttpHeaders): boolean {
  const type = headers['content-type']
  return type !== undefined && /^text\/event-stream\s*(?:;|$)/i.test(type)
}
