import { BlockList, isIP } from 'node:net'

/** Addresses of host names that were looked up; a missing name could not be resolved. */
export type Addresses = ReadonlyMap<string, readonly string[]>

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8)
loopback.addAddress('::1', 'ipv6')

/** Addresses for which a connection ends at this machine. */
const unspecified = new BlockList()
unspecified.addAddress('0.0.0.0')
unspecified.addAddress('::', 'ipv6')

/** Returns whether a host, as written in settings and URLs, is reachable from this machine only. */
export function isLoopback (host: string): boolean {
  const name = plainHost(host)
  return name === 'localhost' || name.endsWith('.localhost') || isIn(loopback, name)
}

/** Returns whether a connection to a host ends at this machine. Addresses of its network interfaces are not considered. */
export function isThisMachine (host: string): boolean {
  return isLoopback(host) || isIn(unspecified, plainHost(host))
}

/** Returns the host and the port of an http or https address. */
export function serviceAt (target: string): { host: string, port: number } {
  const { hostname, port, protocol } = new URL(target)
  return { host: plainHost(hostname), port: Number(port || (protocol === 'https:' ? 443 : 80)) }
}

/** Returns whether two targets are one service: one port at one host, by its name or by one of its addresses. */
export function isSameService (one: string, other: string, addresses: Addresses): boolean {
  const [a, b] = [serviceAt(one), serviceAt(other)]
  if (a.port !== b.port) return false
  const places = placesOf(a.host, addresses)
  return placesOf(b.host, addresses).some(place => places.includes(place))
}

/** Returns whether two lists of targets have a service in common. */
export function shareService (some: readonly string[], others: readonly string[], addresses: Addresses): boolean {
  return some.some(one => others.some(other => isSameService(one, other, addresses)))
}

function placesOf (host: string, addresses: Addresses): string[] {
  return [host, ...addresses.get(host) ?? []].map(place => isThisMachine(place) ? 'localhost' : plainHost(place))
}

/** Returns the canonical spelling of a host, without the brackets of an IPv6 address and the trailing dot of a full name. */
export function plainHost (host: string): string {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '').replace(/\.$/, '')
  return isIP(name) === 6 ? plainAddress(name) : name
}

/** Returns the IPv4 form of an IPv4-mapped address (RFC 4291, section 2.5.5.2), to which connections are made with IPv4. */
function plainAddress (address: string): string {
  // A URL cannot contain a zone, such as %eth0.
  const compressed = URL.parse(`http://[${address}]`)?.hostname.slice(1, -1) ?? address
  const [, high = '', low = ''] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(compressed) ?? []
  if (low === '') return compressed
  return [high, low].flatMap(group => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]).join('.')
}

function isIn (list: BlockList, name: string): boolean {
  const family = isIP(name)
  return family !== 0 && list.check(name, family === 6 ? 'ipv6' : 'ipv4')
}
