import type { IncomingHttpHeaders } from 'node:http'
import { reserved } from '../settings/text-checks.ts'
import { isUnder } from './prefix.ts'

/*
 * Addresses that an upstream writes into its headers, as clients see them.
 */

export interface PublicPlace {
  /** Scheme, host and port that browsers see. */
  origin: string
  /** Path that clients see: empty, or without a trailing slash. */
  prefix: string
  /** Path that the upstream sees in its place: empty, or without a trailing slash. */
  base: string
  /** True if the upstream receives the public host as Host, and so may write addresses of the public origin. */
  passesHost: boolean
  /** Scheme and authority of each target, and of the public host with each target's scheme and port, in lower case. */
  own: ReadonlySet<string>
}

const absolute = /^(https?:\/\/)([^/?#\\]*)([^]*)$/i
/** The time of a Refresh header, and what precedes its address. */
const refreshTime = /^\s*[\d.]+(?:\s*[;,]\s*|\s+)(?:url\s*=\s*)?/i

/** A path with dot segments, which browsers resolve. */
const dotSegment = /(?:^|\/)(?:\.|%2e){1,2}(?:[/?#]|$)/i

/** Creates the place of an upstream. `passesHost` is true if the upstream receives the public host as Host. */
export function publicPlace ({ origin, prefix, base, targets, passesHost }: { origin: string, prefix: string, base: string, targets: readonly string[], passesHost: boolean }): PublicPlace {
  const { host, hostname } = new URL(origin)
  const own = new Set<string>()
  for (const target of targets) {
    const { protocol, port } = new URL(target)
    own.add(new URL(target).origin)
    if (!passesHost) continue
    own.add(new URL(`${protocol}//${hostname}${port === '' ? '' : `:${port}`}`).origin)
    own.add(new URL(`${protocol}//${host}`).origin)
  }
  return { origin, prefix: prefix === '/' ? '' : prefix, base: base === '/' ? '' : base, passesHost, own }
}

/**
 * Maps an address in Location or Content-Location to what clients see. Other origins, relative paths, and addresses that have the public
 * prefix already stay as they are.
 */
export function publicAddress (address: string, place: PublicPlace): string {
  const match = absolute.exec(address)
  if (match === null) return isAbsolutePath(address) ? publicPath(withoutDotSegments(address), place) : address
  const [, scheme = '', authority = '', rest = ''] = match
  const origin = URL.parse(`${scheme}${authority}`)
  if (origin === null || authority.includes('@')) return address
  const path = withoutDotSegments(oneSlash(`/${rest}`))
  if (place.own.has(origin.origin)) return publicPath(path, place)
  return place.passesHost && origin.origin === place.origin ? atPublicOrigin(address, path, place) : address
}

/**
 * Maps an address of the public origin, which services write that know the scheme (X-Forwarded-Proto) and not the prefix. Addresses of the
 * gateway's own endpoints stay as they are.
 */
function atPublicOrigin (address: string, path: string, place: PublicPlace): string {
  if (reserved.some(own => isUnder(path, own))) return address
  const mapped = publicPath(path, place)
  return mapped === path ? address : place.origin + mapped
}

/** Maps the address in a Refresh header. */
export function publicRefresh (value: string, place: PublicPlace): string {
  const before = refreshTime.exec(value)?.[0]
  if (before === undefined) return value
  const rest = value.slice(before.length)
  const quote = rest.startsWith('"') || rest.startsWith("'") ? rest[0]! : ''
  const end = quote === '' ? rest.trimEnd().length : rest.indexOf(quote, 1)
  if (end === -1) return value
  return before + quote + publicAddress(rest.slice(quote.length, end), place) + rest.slice(end)
}

/** Maps the paths of a Set-Cookie header. Cookies whose names begin with `__Host-` always have the path `/`. */
export function publicCookie (line: string, { prefix, base }: PublicPlace): string {
  if (prefix === base || /^\s*__host-/i.test(line)) return line
  const [pair = '', ...attributes] = line.split(';')
  return [pair, ...attributes.map(attribute => {
    const [, before = '', path = ''] = /^(\s*path\s*=\s*)(\/\S*)\s*$/i.exec(attribute) ?? []
    if (path === '' || (prefix !== '' && isUnder(path, prefix)) || !isUnder(path, base)) return attribute
    return before + (prefix + path.slice(base.length).replace(/^\/$/, '') || '/')
  })].join(';')
}

/**
 * Maps the address in the Destination header of a client's request (RFC 4918, section 10.3) to what the upstream sees. Addresses elsewhere
 * stay as they are.
 */
export function upstreamDestination (address: string, { origin, prefix, base }: PublicPlace, targetOrigin: string): string {
  const match = absolute.exec(address)
  const path = match === null ? address : match[3]!
  if (match !== null && URL.parse(`${match[1]!}${match[2]!}`)?.origin !== origin) return address
  if (!isAbsolutePath(path) || !isUnder(pathOf(path), prefix)) return address
  const mapped = `${base}${path.slice(prefix.length)}` || '/'
  return match === null ? mapped : `${targetOrigin}${mapped}`
}

/** Returns the path, with its query, of an address at the public origin, or of a path from the root; null for all others. */
export function publicPathOf (address: string, origin: string): string | null {
  const match = absolute.exec(address)
  if (match !== null) return URL.parse(`${match[1]!}${match[2]!}`)?.origin === origin && !match[2]!.includes('@') ? match[3]! : null
  return isAbsolutePath(address) ? address : null
}

/** Maps the resources that an If header tags (RFC 4918, section 10.4). Lists in parentheses contain tokens and entity tags. */
function upstreamConditions (value: string, place: PublicPlace, targetOrigin: string): string {
  return value.replace(/\([^)]*\)|<([^<>]*)>/g, (whole, address?: string) => address === undefined ? whole : `<${upstreamDestination(address, place, targetOrigin)}>`)
}

/** Maps the addresses in the headers of WebDAV in a client's request. `targetOrigin` is the origin that the upstream sees. */
export function mapToUpstream (headers: readonly string[], place: PublicPlace, targetOrigin: string): readonly string[] {
  return headers.map((text, at) => {
    const name = at % 2 === 1 ? headers[at - 1] : ''
    if (name === 'destination') return upstreamDestination(text, place, targetOrigin)
    return name === 'if' ? upstreamConditions(text, place, targetOrigin) : text
  })
}

/** Returns whether a client's request has headers that `mapToUpstream` maps. */
export function hasAddresses (headers: IncomingHttpHeaders): boolean {
  return headers['destination'] !== undefined || headers['if'] !== undefined
}

/** Maps the headers of a response that contain addresses or paths. */
export function mapToPublic (upstream: IncomingHttpHeaders, place: PublicPlace): void {
  for (const name of ['location', 'content-location', 'refresh'] as const) {
    const value: string | string[] | undefined = upstream[name]
    const map = name === 'refresh' ? publicRefresh : publicAddress
    if (value !== undefined) (upstream as Record<string, unknown>)[name] = typeof value === 'string' ? map(value, place) : value.map(one => map(one, place))
  }
  const cookies = upstream['set-cookie']
  if (cookies !== undefined && place.prefix !== place.base) upstream['set-cookie'] = [cookies].flat().map(line => publicCookie(line, place))
}

/** Resolves dot segments, as browsers do; they could lead out of the prefix after the mapping. */
function withoutDotSegments (path: string): string {
  if (!dotSegment.test(pathOf(path))) return path
  const url = URL.parse(path, 'http://host')
  return url === null ? path : oneSlash(url.pathname) + url.search + url.hash
}

function publicPath (path: string, { prefix, base }: PublicPlace): string {
  if (prefix === base) return path
  const bare = pathOf(path)
  if ((prefix !== '' && isUnder(bare, prefix)) || !isUnder(bare, base)) return path
  const mapped = prefix + path.slice(base.length)
  return oneSlash(`/${mapped}`)
}

/**
 * Returns a path that begins with exactly one slash. Browsers read two slashes or backslashes at the beginning, also with tabs between
 * them, as the beginning of another host.
 */
function oneSlash (path: string): string {
  return path.replace(/^[/\\\t]+/, '/')
}

/** Returns whether a reference is a path from the root, and not the beginning of a host. */
function isAbsolutePath (address: string): boolean {
  return /^\/(?!\t*[/\\])/.test(address)
}

function pathOf (address: string): string {
  return address.split(/[?#]/, 1)[0]!
}
