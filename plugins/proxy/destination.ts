import type { IncomingHttpHeaders } from 'node:http'
import { canonicalPath, transparentFault } from '../../lib/http/canonical-path.ts'
import { RequestInvalidError } from '../../lib/errors.ts'
import { foldCase } from '../../lib/fold.ts'
import { isUnder } from '../../lib/proxy/prefix.ts'
import { publicPathOf } from '../../lib/proxy/public-address.ts'

export interface DestinationPolicy {
  /** Origin that browsers see. */
  origin: string
  /** Prefix of the upstream: empty, or without a trailing slash. */
  prefix: string
  /** True if the paths of the upstream are forwarded byte for byte. */
  isTransparent: boolean
  /** Returns the prefixes of all upstreams of the server. */
  prefixes: () => readonly string[]
}

/**
 * Checks the Destination header of a WebDAV request (RFC 4918, section 10.3), which names a second path that the service writes to. The path
 * must be one of the same upstream, by the rules for the path of a request; otherwise the requirements of another upstream could be
 * bypassed. The header receives the canonical path. Throws a RequestInvalidError.
 */
export function checkDestination (headers: IncomingHttpHeaders, { origin, prefix, isTransparent, prefixes }: DestinationPolicy): void {
  const address = String(headers['destination'])
  const path = publicPathOf(address, origin)
  const accepted = path === null ? null : isTransparent ? (transparentFault(path) === null ? path : null) : canonicalPath(path)
  if (accepted === null || !isUnder(accepted, prefix) || prefixes().some(other => liesInside(other, prefix) && isUnder(foldCase(accepted), foldCase(other)))) {
    throw Object.assign(new RequestInvalidError(), { detail: 'Destination must be an address of the same service' })
  }
  headers['destination'] = address.slice(0, address.length - path!.length) + accepted
}

function liesInside (other: string, prefix: string): boolean {
  return other !== '/' && other !== prefix && foldCase(other).startsWith(`${foldCase(prefix)}/`)
}
