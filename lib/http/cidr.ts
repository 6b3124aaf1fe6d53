import { isIP, isIPv6 } from 'node:net'

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
