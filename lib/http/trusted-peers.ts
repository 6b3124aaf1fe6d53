import { BlockList, isIP, isIPv6 } from 'node:net'
import { ConfigInvalidError } from '../errors.ts'

/**
 * Returns a function that tells whether an address lies in one of the networks (`10.0.0.0/8`, `::1`). Throws ConfigInvalidError for an
 * invalid network.
 */
export function createPeerMatcher (networks: readonly string[]): (address: string | undefined) => boolean {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', bits, more] = network.split('/')
    const length = bits === undefined ? (isIPv6(address) ? 128 : 32) : Number(bits)
    if (isIP(address) === 0 || more !== undefined || bits === '' || !Number.isInteger(length) || length < 0 || length > (isIPv6(address) ? 128 : 32)) {
      throw new ConfigInvalidError('trustProxy must be a list of networks such as 10.0.0.0/8')
    }
    list.addSubnet(address, length, isIPv6(address) ? 'ipv6' : 'ipv4')
  }
  return address => address !== undefined && isIP(address) !== 0 && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4')
}

/** Returns an address without the prefix that dual-stack sockets add to IPv4. */
export function plainAddress (address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

/** Returns whether the text is an IP address or a CIDR block (`10.0.0.0/8`, `fd00::/8`). */
export function isAddressBlock (text: string): boolean {
  const match = /^([^/%]+)(?:\/(\d{1,3}))?$/.exec(text)
  if (match === null) return false
  const family = isIP(match[1]!)
  return family !== 0 && (match[2] === undefined || Number(match[2]) <= (family === 4 ? 32 : 128))
}

/** Returns whether the block contains every address of its family. */
export function isEveryAddress (text: string): boolean {
  return isAddressBlock(text) && /\/0+$/.test(text)
}

/** Returns whether the text is IPv4 in the form of IPv6 (`::ffff:10.0.0.0/104`), which address matchers interpret differently. */
export function isMappedAddress (text: string): boolean {
  const [address = ''] = text.split('/')
  return isIPv6(address) && /^\[::ffff:[0-9a-f]+:[0-9a-f]+\]$/.test(URL.parse(`http://[${address}]`)?.hostname ?? '')
}
