import type { IncomingHttpHeaders } from 'node:http'
import { canonicalPath, transparentFault } from '../../lib/http/canonical-path.ts'
import { RequestInvalidError } from '../../lib/errors.ts'
import { isUnder } from '../../lib/proxy/prefix.ts'
import { publicPathOf } from '../../lib/proxy/public-address.ts'
import { insideOf, mayLieInside } from './other-case.ts'

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

/** Methods whose Destination no service reads. WebDAV has further ones than COPY and MOVE, such as BIND. */
const withoutDestination = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

/** A dot segment behind a query, for services that read the query as a part of the path. */
const dotSegmentInQuery = /\?[^]*(?:\.|%2e){2}/i

/**
 * Checks the Destination header of a WebDAV request (RFC 4918, section 10.3), which names a second path that the service writes to. The path
 * must be one of the same upstream, by the rules for the path of a request; otherwise the requirements of another upstream could be
 * bypassed. The header receives the canonical path. Throws a RequestInvalidError.
 */
export function checkDestination (method: string, headers: IncomingHttpHeaders, { origin, prefix, isTransparent, prefixes }: DestinationPolicy): void {
  if (headers['destination'] === undefined || withoutDestination.has(method)) return
  const address = String(headers['destination'])
  const path = publicPathOf(address, origin)
  const accepted = path === null ? null : isTransparent ? (transparentFault(path) === null ? path : null) : canonicalPath(path)
  if (accepted === null || !isUnder(accepted, prefix) || dotSegmentInQuery.test(accepted) || mayLieInside(accepted.split('?', 1)[0]!, insideOf(prefix === '' ? '/' : prefix, prefixes()))) {
    throw Object.assign(new RequestInvalidError(), { detail: 'Destination must be an address of the same service' })
  }
  headers['destination'] = address.slice(0, address.length - path!.length) + accepted
}
