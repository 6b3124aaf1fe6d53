import { serviceAt, shareService, type Addresses } from '../../lib/proxy/service-address.ts'
import type { Config, UpstreamConfig } from '../config.ts'
import { reserved } from '../../lib/settings/text-checks.ts'

/** Warns about prefixes that are easily confused, and about upstreams that bypass the requirements of another one. */
export function lintPaths ({ upstreams }: Config, addresses: Addresses): string[] {
  return upstreams.flatMap((upstream, index) => {
    const { prefix } = upstream
    const lines: string[] = []
    const looksOwn = reserved.find(path => isWithinAnyCase(prefix, path))
    if (looksOwn !== undefined) lines.push(`upstreams[${index}].prefix: differs from ${looksOwn}, which is the gateway's own, in upper and lower case alone; choose another`)
    for (const [at, other] of upstreams.entries()) {
      if (at < index && prefix !== other.prefix && fold(prefix) === fold(other.prefix)) lines.push(`upstreams[${index}].prefix: differs from that of upstreams[${at}] in upper and lower case alone, and each counts for its own spelling; choose another`)
      if (at !== index) lines.push(...lintPair(upstream, index, { guarded: other, at, addresses }))
    }
    return lines
  })
}

/** Warns when the upstream `open`, which requires less, can reach the service behind `guarded`. */
function lintPair (open: UpstreamConfig, index: number, { guarded, at, addresses }: { guarded: UpstreamConfig, at: number, addresses: Addresses }): string[] {
  const less = findLess(open, guarded)
  if (less === null) return []
  const isNested = isWithin(open.prefix, guarded.prefix)
  // A prefix inside / is expected to be an exception from it.
  if (isNested && guarded.prefix !== '/') return [`upstreams[${index}].prefix: lies in that of upstreams[${at}], and the longer prefix alone counts, so ${less}; move it elsewhere unless that is meant`]
  if (!shareService(open.targets, guarded.targets, addresses)) {
    return mayBeSame(open, guarded, addresses) ? [`upstreams[${index}].target: is at the same port as that of upstreams[${at}], and a name of the two cannot be resolved; if they are one service, write the same target for both, or another case of ${guarded.prefix} leads around what is demanded there`] : []
  }
  // A service may ignore case, so paths that differ in it count as one here.
  if (isWithinAnyCase(open.prefix, guarded.prefix) && fold(open.prefix) !== fold(guarded.prefix)) return [`upstreams[${index}].prefix: lies in that of upstreams[${at}] but for upper and lower case, which their service may ignore, and ${less}; move it elsewhere unless that is meant`]
  if (!isWithin(fold(guarded.rewritePrefix), fold(open.rewritePrefix))) return []

  const rest = guarded.rewritePrefix.slice(open.rewritePrefix === '/' ? 0 : open.rewritePrefix.length).replace(/\/$/, '')
  const detour = `${open.prefix === '/' ? '' : open.prefix}${rest}`
  // The longer prefix applies to the detour, and its other spellings are not forwarded either.
  if (!isNested && isWithin(fold(detour), fold(guarded.prefix)) && isWithin(fold(guarded.prefix), fold(open.prefix))) return []
  return [`upstreams[${index}].rewritePrefix: leads to what upstreams[${at}] leads to, and ${less}; rewrite it to a path of its own, or demand the same`]
}

/** Tells whether the targets of two nested prefixes may be one service, because a host name of the two is not resolved. */
function mayBeSame (outer: UpstreamConfig, inner: UpstreamConfig, addresses: Addresses): boolean {
  if (!isWithin(fold(inner.prefix), fold(outer.prefix))) return false
  return outer.targets.map(serviceAt).some(a => inner.targets.map(serviceAt).some(b => a.port === b.port && !(addresses.has(a.host) && addresses.has(b.host))))
}

/** Describes the first requirement that `guarded` has and `open` lacks; null when there is none. */
function findLess (open: UpstreamConfig, guarded: UpstreamConfig): string | null {
  if (guarded.access === 'public') return null
  if (open.access === 'public') return 'nothing is demanded there'
  const scope = guarded.scopes.find(name => !open.scopes.includes(name))
  if (scope !== undefined) return `the scope ${scope} is not demanded there`
  return guarded.stepUp !== null && open.stepUp === null ? 'no step-up is demanded there' : null
}

/** Compares whole segments, as the proxy matches paths. */
function isWithin (path: string, prefix: string): boolean {
  return path === prefix || prefix === '/' || path.startsWith(`${prefix}/`)
}

function isWithinAnyCase (path: string, prefix: string): boolean {
  return !isWithin(path, prefix) && isWithin(fold(path), fold(prefix))
}

function fold (path: string): string {
  return path.toLowerCase()
}
