import type { IncomingHttpHeaders } from 'node:http'
import type { OwnCookies } from './own-cookies.ts'

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

/** Names whose `_` spelling is nobody's but an attacker's: CGI-like upstreams read it as the one with `-`. */
const neverSpeltOtherwise = new Set([...neverForwarded, 'content-length', 'content-type'])

/** Browsers keep the sessions of an origin by these, and here the origin's are the gateway's; with the names of earlier drafts. */
const neverReturned = new Set([...hopByHop, 'secure-session-registration', 'secure-session-challenge', 'sec-session-registration', 'sec-session-challenge'])

/** Names of our response headers that stand beside the upstream's; all others replace them. */
const combined = new Set(['set-cookie', 'vary', 'access-control-expose-headers'])

export interface HeaderPolicy {
  /** Whether the client's Authorization is for the upstream. */
  readonly keepAuthorization: boolean
  /** The gateway's cookies, which no upstream receives or sets. */
  readonly ownCookies: OwnCookies
}

/**
 * What an upstream gets of a client's headers, as name, value, name, value…, followed by ours.
 * Connection takes away what the client sent, never what we add (RFC 9110, section 7.6.1).
 */
export function requestHeaders (client: IncomingHttpHeaders, ours: readonly string[], { keepAuthorization, ownCookies }: HeaderPolicy): string[] {
  const forwarded: string[] = []
  const named = connectionOptions(client.connection)
  for (const name in client) {
    if (isStripped(name, keepAuthorization) || named?.has(name) === true || isOurs(name, ours)) continue
    const value = name === 'cookie' ? ownCookies.without(client.cookie!) : client[name]
    if (typeof value === 'string') forwarded.push(name, value)
  }
  for (let i = 0; i < ours.length; i++) forwarded.push(ours[i]!)
  return forwarded
}

function isStripped (name: string, keepAuthorization: boolean): boolean {
  if (name === 'authorization') return !keepAuthorization
  if (name.includes('_')) {
    const plain = name.replaceAll('_', '-')
    return neverSpeltOtherwise.has(plain) || plain.startsWith('x-forwarded')
  }
  return neverForwarded.has(name) || name.startsWith('x-forwarded')
}

function isOurs (name: string, ours: readonly string[]): boolean {
  for (let i = 0; i < ours.length; i += 2) if (ours[i] === name) return true
  return name.includes('_') && isOurs(name.replaceAll('_', '-'), ours)
}

/**
 * What the client gets of an upstream's headers, as name, value, name, value…, with those of the reply beside or in place of them.
 * An upstream never sets or clears a Portcullis cookie.
 */
export function responseHeaders (upstream: IncomingHttpHeaders, status: number, ours: Record<string, unknown>, ownCookies: OwnCookies): Array<string | string[]> {
  const returned: Array<string | string[]> = []
  const named = connectionOptions(upstream.connection)
  for (const name in upstream) {
    if (neverReturned.has(name) || named?.has(name) === true || (name in ours && !combined.has(name))) continue
    const value = name === 'set-cookie' ? otherCookies(upstream[name], ownCookies) : returnedValue(name, upstream[name], status)
    if (value !== null && value !== undefined) returned.push(name, value)
  }
  for (const name in ours) {
    const value = ours[name]
    if (value !== undefined) returned.push(name, Array.isArray(value) ? value.map(String) : String(value))
  }
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

/** The names that a Connection header takes away; null for the ordinary values, which name none. */
function connectionOptions (connection: string | string[] | undefined): Set<string> | null {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return null
  return new Set(String(connection).toLowerCase().split(',').map(option => option.trim()))
}
