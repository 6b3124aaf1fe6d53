import { isIP, isIPv4, isIPv6 } from 'node:net'

/** An address with a port, as some proxies report their client. With the port, each connection would count as a separate client. */
const withPort = /^(?:(\d+\.\d+\.\d+\.\d+):\d+|\[([^\]]*)\](?::\d+)?)$/

/** IPv4 with leading zeros, as some proxies pad it. Whether a padded number is decimal or octal does not matter for counting. */
const paddedV4 = /^(?=.*\b0\d)\d{1,10}(?:\.\d{1,10}){3}$/

/**
 * Returns the form in which a client's address is counted, one for all spellings: IPv4 in its plain form, also if it is padded or embedded
 * in IPv6; for other IPv6 the /64, which belongs to one subscriber; always without a port and a zone.
 */
export function countedAddress (address: string): string {
  if (isIPv4(address)) return address
  if (isIPv6(address)) return countedV6(address)
  const [, v4, v6] = withPort.exec(address) ?? []
  const plain = v4 ?? v6 ?? address
  const unpadded = paddedV4.test(plain) ? plain.replaceAll(/\b0+(?=\d)/g, '') : plain
  return isIP(unpadded) === 0 || unpadded === address ? address : countedAddress(unpadded)
}

function countedV6 (address: string): string {
  const groups = groupsOf(address.toLowerCase().split('%')[0]!)
  const place = placeOfV4(groups)
  if (place !== null) return [groups[place]! >> 8, groups[place]! & 255, groups[place + 1]! >> 8, groups[place + 1]! & 255].join('.')
  return `${groups.slice(0, 4).map(group => group.toString(16)).join(':')}::/64`
}

/**
 * Returns the index of the first of the two groups that are an IPv4 address, or null: IPv4-mapped (RFC 4291), IPv4-translated (RFC 2765),
 * NAT64 (RFC 6052), and 6to4 (RFC 3056), in which one IPv4 address owns 65536 blocks of /64.
 */
function placeOfV4 (groups: number[]): number | null {
  if (groups[0] === 0x2002) return 1
  const prefix = groups.slice(0, 6).map(group => group.toString(16)).join(':')
  return ['0:0:0:0:0:ffff', '0:0:0:0:ffff:0', '64:ff9b:0:0:0:0'].includes(prefix) ? 6 : null
}

/** Returns the eight groups of an IPv6 address, whose last two may be written as IPv4. */
function groupsOf (text: string): number[] {
  const [head = '', tail] = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_all, ...bytes: string[]) => `${hex(bytes[0]!, bytes[1]!)}:${hex(bytes[2]!, bytes[3]!)}`).split('::')
  const before = parse(head)
  if (tail === undefined) return before
  const after = parse(tail)
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after]
}

function hex (high: string, low: string): string {
  return (Number(high) * 256 + Number(low)).toString(16)
}

function parse (text: string): number[] {
  return text === '' ? [] : text.split(':').map(group => parseInt(group, 16))
}
