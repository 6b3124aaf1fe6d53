import type { IncomingHttpHeaders } from 'node:http'
import { randomBytes } from 'node:crypto'
import type { OwnCookies } from '../http/own-cookies.ts'

/*
 * The head of a request as an upstream receives it: which headers of the client it has, and how it is written.
 */

export const hopByHop = ['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings']

/**
 * Client headers that are never forwarded: those that end at the gateway, and those that upstreams accept only from the gateway, including
 * headers from which some upstreams read another path than the one that was checked. `x-forwarded` is recognised by its prefix.
 */
const neverForwarded = new Set([
  ...hopByHop, 'proxy-authorization', 'proxy-authentication-info', 'expect', 'host', 'set-cookie', 'forwarded', 'x-real-ip', 'x-request-id',
  'x-auth-subject', 'x-auth-session', 'x-auth-scope', 'x-original-url', 'x-rewrite-url',
  // A service believes the certificate that the proxy in front of it names (RFC 9440), and the gateway names none.
  'client-cert', 'client-cert-chain',
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

/** Returns the names of client headers that are never forwarded, as servers read them, including `headers`. */
export function neverForwardedWith (headers: readonly string[]): ReadonlySet<string> {
  return headers.length === 0 ? neverForwarded : new Set([...neverForwarded, ...headers.map(fold)])
}

export interface HeaderPolicy {
  /** True if the client's Authorization header is forwarded to the upstream, unless it has a token of one of `ownIssuers`. */
  readonly keepAuthorization: boolean
  /** The `iss` of the gateway's own tokens, which no client may pass on by `keepAuthorization`: other services accept them too. */
  ownIssuers?: readonly string[]
  /** The gateway's cookies, which no upstream receives or sets. */
  ownCookies: OwnCookies
  /** Client headers that are never forwarded (see `neverForwardedWith`). The default contains no headers of further credential schemes. */
  readonly never?: ReadonlySet<string>
}

/**
 * Returns the headers for an upstream as name, value, name, value…: those of the client, followed by those of the gateway. Connection
 * removes headers of the client, never those that the gateway adds (RFC 9110, section 7.6.1).
 */
export function requestHeaders (client: IncomingHttpHeaders, ours: readonly string[], { keepAuthorization, ownIssuers = [], ownCookies, never = neverForwarded }: HeaderPolicy): string[] {
  const forwarded: string[] = []
  const named = connectionOptions(client.connection)
  const taken = namesOf(ours)
  for (const name in client) {
    const read = isPlain(name) ? name : fold(name)
    if (never.has(read) || isStripped(read, name, keepAuthorization) || named?.has(read) === true || isNameIn(read, taken)) continue
    if (name === 'authorization' && hasTokenOf(ownIssuers, client[name]!)) continue
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
export function fold (name: string): string {
  return name.toLowerCase().replace(/[^a-z\d]+/g, '-').replace(/^-|-$/g, '')
}

/** Returns whether a client header is removed. `read` is `name` as a CGI-style server reads it. */
function isStripped (read: string, name: string, keepAuthorization: boolean): boolean {
  if (read === 'authorization') return read !== name || !keepAuthorization
  return read.startsWith('x-forwarded') || (read !== name && neverSpeltOtherwise.has(read))
}

/** Number of words of an Authorization header that are looked at. Decoding thousands of them would cost milliseconds. */
const mostWords = 8

/**
 * Returns whether an Authorization header has a JWT whose `iss` is one of these. Nothing is verified, because a token that is not genuine is
 * of no use to the upstream either. Every scheme counts, and each of the first words of the value, as servers separate them differently.
 */
function hasTokenOf (issuers: readonly string[], authorization: string): boolean {
  return issuers.length > 0 && authorization.split(/[^\w.-]+/, mostWords).some(text => {
    const parts = text.split('.', 4)
    return parts.length === 3 && issuers.includes(issuerIn(parts[1]!) as string)
  })
}

function issuerIn (payload: string): unknown {
  try {
    return (JSON.parse(Buffer.from(payload, 'base64url').toString()) as { iss?: unknown } | null)?.iss
  } catch {
    return undefined
  }
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

/** Returns the names that a Connection header removes, folded; null for the common values, which name none. */
export function connectionOptions (connection: string | string[] | undefined): Set<string> | null {
  if (connection === undefined || connection === 'keep-alive' || connection === 'close') return null
  return new Set(String(connection).split(',').map(fold))
}

/** Returns a name that identifies this hop among all that a request may pass (RFC 8586). */
export function loopName (): string {
  return `portcullis-${randomBytes(8).toString('hex')}`
}

/**
 * Returns the value of CDN-Loop after this hop; null if the request has passed the hop before. Via is not used, because some servers do not
 * compress their responses to requests that carry it.
 */
export function passedHops (before: string | string[] | undefined, name: string): string | null {
  if (before === undefined) return name
  const hops = String(before)
  return hops.includes(name) ? null : `${hops}, ${name}`
}

export interface OutgoingRequest {
  method: string
  path: string
  /** Value of Host. */
  host: string
  /** Name, value, name, value…, with names in lower case; without Host, Connection, Upgrade and Transfer-Encoding. */
  headers: readonly string[]
  hasBody: boolean
  /** True if the request asks for a WebSocket. */
  isUpgrade: boolean
}

/** Methods for which servers expect a body, so that its absence is stated (RFC 9110, section 8.6). */
const withContent = new Set(['POST', 'PUT', 'PATCH'])

export interface FormattedRequest {
  /** The head in Latin-1, with the empty line that ends it. */
  text: string
  /** True if the head says that the body is sent in chunks. */
  isChunked: boolean
}

/**
 * Formats the head of a request (RFC 9112, section 3). The caller has checked the headers. A body without Content-Length is sent in chunks.
 */
export function formatRequest ({ method, path, host, headers, hasBody, isUpgrade }: OutgoingRequest): FormattedRequest {
  let text = `${method} ${path} HTTP/1.1\r\nhost: ${host}\r\n${isUpgrade ? 'connection: Upgrade\r\nupgrade: websocket' : 'connection: keep-alive'}\r\n`
  let hasLength = false
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i]!
    if (name === 'content-length') hasLength = true
    text += `${name}: ${headers[i + 1]!}\r\n`
  }
  if (hasBody && !hasLength) return { text: `${text}transfer-encoding: chunked\r\n\r\n`, isChunked: true }
  return { text: !hasLength && withContent.has(method) ? `${text}content-length: 0\r\n\r\n` : `${text}\r\n`, isChunked: false }
}

/** Methods whose repetition is harmless (RFC 9110, section 9.2.2, and the registry of methods). */
const idempotent = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE', 'PROPFIND', 'REPORT', 'SEARCH'])

/** Returns whether a request with this method and without a body can be repeated if its first response was lost. */
export function isIdempotent (method: string): boolean {
  return idempotent.has(method)
}

/** Returns whether headers as name, value, name, value… can be part of a head as they are. */
export function areHeaders (headers: readonly string[]): boolean {
  for (let i = 0; i < headers.length; i += 2) if (!/^[\w!#$%&'*+.^`|~-]+$/.test(headers[i]!) || !/^[\t\x20-\x7e\x80-\xff]*$/.test(headers[i + 1]!)) return false
  return true
}
