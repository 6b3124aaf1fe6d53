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
