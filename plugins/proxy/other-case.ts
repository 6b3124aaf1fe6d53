import type { onRequestHookHandler } from 'fastify'
import { PathRefusedError } from '../../lib/errors.ts'
import { foldCase } from '../../lib/fold.ts'
import { shareService, type Addresses } from '../../lib/proxy/service-address.ts'

interface Place { prefix: string, targets: readonly string[] }

/**
 * Rejects paths that a service may read as a path under the prefix of another upstream of the same service inside this prefix, so that the
 * requirements of that prefix would be bypassed. A service that ignores case reads `/app/ADMIN` as `/app/admin`; case is that of Unicode, in
 * which the Kelvin sign is a k. A service on Windows also ignores dots and spaces at the end of a name, reads `admin::$DATA` as `admin`, and
 * finds long names by their short ones (`ADMINI~1`). Returns no hook if there is no prefix inside.
 */
export function refuseOtherCase ({ prefix, targets }: Place, all: readonly Place[], addresses: Addresses = new Map()): onRequestHookHandler[] {
  const inner = insideOf(prefix, all.filter(other => shareService(other.targets, targets, addresses)).map(other => other.prefix))
  if (inner.length === 0) return []
  return [(request, _reply, done) => {
    if (mayLieInside(request.raw.url!.split('?')[0]!, inner)) done(new PathRefusedError({ cause: new Error('may be another spelling of the prefix of another upstream') }))
    else done()
  }]
}

/** Returns the names of the segments of each prefix inside `prefix`, which is `/`, empty, or has no trailing slash. */
export function insideOf (prefix: string, prefixes: readonly string[]): string[][] {
  const outer = prefix === '/' ? '/' : `${foldCase(prefix)}/`
  return prefixes.filter(other => other !== prefix && other !== '/').map(other => foldCase(other)).filter(other => other.startsWith(outer)).map(namesOf)
}

/** Returns whether a service may read a path, without its query, as one under a prefix of `inner`. */
export function mayLieInside (path: string, inner: readonly string[][]): boolean {
  if (inner.length === 0) return false
  const folded = foldPath(path)
  if (folded === null) return true
  const names = namesOf(folded)
  return inner.some(others => others.every((other, at) => mayBeSame(names[at], other)))
}

/** Removes differences of case. Returns null for escapes that are not UTF-8, which services may read in any way. */
function foldPath (path: string): string | null {
  if (!path.includes('%')) return path.toUpperCase()
  try {
    return foldCase(decodeURIComponent(path))
  } catch {
    return null
  }
}

/** Returns the segments of a path without what file systems of Windows ignore: names of streams, dots and spaces at the end. */
function namesOf (path: string): string[] {
  return path.split('/').map(segment => /[: .]/.test(segment) ? plainName(segment) : segment).filter(name => name !== '')
}

function plainName (segment: string): string {
  const name = segment.split(':', 1)[0]!
  let end = name.length
  while (end > 0 && (name[end - 1] === '.' || name[end - 1] === ' ')) end--
  return name.slice(0, end)
}

/** The short form of a name: its beginning, or two characters and a checksum, then a number, and the beginning of its extension. */
const shortName = /^([^~]{1,8})~\d{1,6}(?:\.[^.]{0,3})?$/

function mayBeSame (name: string | undefined, other: string): boolean {
  if (name === other) return true
  const stem = name?.includes('~') === true ? shortName.exec(name)?.[1] : undefined
  if (stem === undefined) return false
  const long = other.replaceAll(/[ .]/g, '').replaceAll(/[+,=[\]]/g, '_')
  return long.startsWith(stem) || (/^.{1,2}[\dA-F]{4}$/.test(stem) && long.startsWith(stem.slice(0, -4)))
}
