import type { IncomingHttpHeaders } from 'node:http'

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
  /** Scheme and authority of each target, and of the public host with each target's scheme and port, in lower case. */
  own: ReadonlySet<string>
}

const absolute = /^(https?:\/\/)([^/?#\\]*)([^]*)$/i
const refresh = /^(\s*[\d.]+\s*[;,]\s*(?:url\s*=\s*)?)(["']?)([^]*?)\2(\s*)$/i

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
  return { origin, prefix: prefix === '/' ? '' : prefix, base: base === '/' ? '' : base, own }
}

/**
 * Maps an address in Location or Content-Location to what clients see. Other origins, relative paths, and addresses that have the public
 * prefix already stay as they are.
 */
export function publicAddress (address: string, place: PublicPlace): string {
  const match = absolute.exec(address)
  if (match === null) return isAbsolutePath(address) ? publicPath(address, place) : address
  const [, scheme = '', authority = '', rest = ''] = match
  const origin = URL.parse(`${scheme}${authority}`)
  if (origin === null || authority.includes('@') || !place.own.has(origin.origin)) return address
  return publicPath(oneSlash(`/${rest}`), place)
}

/** Maps the address in a Refresh header. */
export function publicRefresh (value: string, place: PublicPlace): string {
  return value.replace(refresh, (_all, before: string, quote: string, address: string, after: string) => `${before}${quote}${publicAddress(address, place)}${quote}${after}`)
}

/** Maps the paths of a Set-Cookie header. Cookies whose names begin with `__Host-` always have the path `/`. */
export function publicCookie (line: string, { prefix, base }: PublicPlace): string {
  if (prefix === base || /^\s*__host-/i.test(line)) return line
  const [pair = '', ...attributes] = line.split(';')
  return [pair, ...attributes.map(attribute => {
    const [, before = '', path = ''] = /^(\s*path\s*=\s*)(\/\S*)\s*$/i.exec(attribute) ?? []
    if (path === '' || isWithin(path, prefix) || !isWithin(path, base)) return attribute
    return `${before}${prefix}${path.slice(base.length).replace(/^\/$/, '')}` || attribute
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
  if (!isAbsolutePath(path) || !isWithin(pathOf(path), prefix)) return address
  const mapped = `${base}${path.slice(prefix.length)}` || '/'
  return match === null ? mapped : `${targetOrigin}${mapped}`
}

/** Maps the headers of a client's request that contain addresses. `targetOrigin` is the origin that the upstream sees. */
export function mapToUpstream (headers: readonly string[], place: PublicPlace, targetOrigin: string): readonly string[] {
  if (!headers.includes('destination')) return headers
  return headers.map((text, at) => at % 2 === 1 && headers[at - 1] === 'destination' ? upstreamDestination(text, place, targetOrigin) : text)
}

/** Maps the headers of a response that contain addresses or paths. */
export function mapToPublic (upstream: IncomingHttpHeaders, place: PublicPlace): void {
  for (const name of ['location', 'content-location'] as const) if (upstream[name] !== undefined) upstream[name] = publicAddress(String(upstream[name]), place)
  if (upstream['refresh'] !== undefined) upstream['refresh'] = publicRefresh(String(upstream['refresh']), place)
  const cookies = upstream['set-cookie']
  if (cookies !== undefined && place.prefix !== place.base) upstream['set-cookie'] = [cookies].flat().map(line => publicCookie(line, place))
}

function publicPath (path: string, { prefix, base }: PublicPlace): string {
  if (prefix === base) return path
  const bare = pathOf(path)
  if ((prefix !== '' && isWithin(bare, prefix)) || !isWithin(bare, base)) return path
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

function isWithin (path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`)
}
