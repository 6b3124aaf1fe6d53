import type { IncomingHttpHeaders } from 'node:http'
import type { OwnCookies } from '../http/own-cookies.ts'

const hopByHop = ['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings']

/**
 * Of the client's: what ends at us, and every name under which upstreams hear from us alone; also those by which some read
 * another path than the one that was judged. `x-forwarded` is told by its beginning.
 */
const neverForwarded = new Set([
  ...hopByHop, 'proxy-authorization', 'proxy-authentication-info', 'expect', 'host', 'set-cookie', 'forwarded', 'x-real-ip', 'x-request-id',
  'x-auth-subject', 'x-auth-session', 'x-auth-scope', 'x-original-url', 'x-rewrite-url',
  // Proofs of the gateway's own sessions (Device Bound Session Credentials).
  'secure-session-response', 'sec-secure-session-id'
])

/** Names that pass in their own spelling alone; `authorization` is told apart. */
const neverSpeltOtherwise = new Set(['content-length', 'content-type', 'cookie'])

/** A name that every server reads in one way: words of letters and digits, with one `-` between them. */
const plainName = /^[a-z\d]+(?:-[a-z\d]+)*$/

/** Names that are plain, as far as most requests need: looking one up costs less than the expression. */
const usualNames = new Set([
  'accept', 'accept-encoding', 'accept-language', 'authorization', 'cache-control', 'connection', 'content-length', 'content-type', 'cookie', 'host', 'if-modified-since', 'if-none-match',
  'origin', 'pragma', 'priority', 'range', 'referer', 'sec-ch-ua', 'sec-ch-ua-mobile', 'sec-ch-ua-platform', 'sec-fetch-dest', 'sec-fetch-mode', 'sec-fetch-site', 'sec-fetch-user',
  'upgrade-insecure-requests', 'user-agent', 'x-requested-with', 'traceparent',
  'cdn-loop', 'x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-request-id', 'x-auth-subject', 'x-auth-session', 'x-auth-scope'
])

/** Browsers keep the sessions of an origin by these, and here the origin's are the gateway's; with the names of earlier drafts. */
const neverReturned = new Set([...hopByHop, 'secure-session-registration', 'secure-session-challenge', 'sec-session-registration', 'sec-session-challenge'])

/** Names of our response headers that stand beside the upstream's; all others replace them. */
const combined = new Set(['set-cookie', 'vary', 'access-control-expose-headers'])

/** The headers of clients that never reach an upstream, these among them; in lower case. */
export function neverForwardedWith (headers: readonly string[]): ReadonlySet<string> {
  return headers.length === 0 ? neverForwarded : new Set([...neverForwarded, ...headers])
}

export interface HeaderPolicy {
  /** Whether the client's Authorization is for the upstream. */
  readonly keepAuthorization: boolean
  /** The gateway's cookies, which no upstream receives or sets. */
  readonly ownCookies: OwnCookies
  /** See `neverForwardedWith`; without credentials in headers of their own by default. */
  readonly never?: ReadonlySet<string>
}

/**
 * What an upstream gets of a client's headers, as name, value, name, value…, followed by ours.
 * Connection takes away what the client sent, never what we add (RFC 9110, section 7.6.1).
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
 * The words of a name. Servers of the CGI kind make one variable of every spelling: some replace `_` alone, others each character
 * that is no letter and no digit, and libraries behind them join or trim what results.
 */
function fold (name: string): string {
  return name.toLowerCase().replace(/[^a-z\d]+/g, '-').replace(/^-|-$/g, '')
}

/** `read`: `name` as a server of the CGI kind reads it. */
function isStripped (read: string, name: string, keepAuthorization: boolean): boolean {
  if (read === 'authorization') return read !== name || !keepAuthorization
  return read.startsWith('x-forwarded') || (read !== name && neverSpeltOtherwise.has(read))
}

/** Headers with their names as servers of the CGI kind read them: as a rule the ones that are given. */
function namesOf (ours: readonly string[]): readonly string[] {
  for (let i = 0; i < ours.length; i += 2) if (!isPlain(ours[i]!)) return ours.map((text, at) => at % 2 === 0 ? fold(text) : text)
  return ours
}

function isNameIn (name: string, headers: readonly string[]): boolean {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return true
  return false
}

/**
 * What the client gets of an upstream's headers, as name, value, name, value…, with those of the reply beside or in place of them.
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
  // Last, because Node decodes a Content-Disposition that stands behind it as UTF-8, and then refuses or changes its bytes.
  if (length !== null) returned.push('content-length', length)
  return returned
}

function returnedValue (name: string, value: string | string[] | undefined, status: number): string | string[] | null | undefined {
  switch (name) {
    case 'clear-site-data': return value === undefined ? null : withoutCookieClearing(String(value))
    // RFC 9110, section 8.6: never with 204, nor with 101.
    case 'content-length': return status === 204 || status === 101 ? null : value
    default: return value
  }
}

function otherCookies (value: string | string[] | undefined, ownCookies: OwnCookies): string[] | null {
  const lines = Array.isArray(value) ? value : value === undefined ? [] : [value]
  const others = lines.filter(line => !ownCookies.areSetBy(line))
  return others.length === 0 ? null : others
}

/** Without `"cookies"` and `"*"`: signing out is ours alone. */
function withoutCookieClearing (value: string): string | null {
  const others = value.split(',').map(directive => directive.trim()).filter(directive => !/^"?(?:cookies|\*)"?$/i.test(directive))
  return others.length === 0 ? null : others.join(', ')
}

/** The names that a Connection header takes away, folded; null for the ordinary values, which name none. */
function connectionOptions (connection: string | string[] | undefined): Set<string> | null {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return null
  return new Set(String(connection).split(',').map(fold))
}

/** Whether an upstream's answer is a stream of server-sent events. */
export function isEventStream (headers: IncomingHttpHeaders): boolean {
  const type = headers['content-type']
  return type !== undefined && /^text\/event-stream\s*(?:;|$)/i.test(type)
}
