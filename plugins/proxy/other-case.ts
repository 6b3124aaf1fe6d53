import type { onRequestHookHandler } from 'fastify'
import { PathRefusedError } from '../../lib/errors.ts'
import { foldCase } from '../../lib/fold.ts'
import { shareService, type Addresses } from '../../lib/proxy/service-address.ts'

interface Place { prefix: string, targets: readonly string[] }

/**
 * Rejects paths that differ only in case from the prefix of another upstream of the same service inside this prefix. A service that ignores
 * case reads `/app/ADMIN` as `/app/admin`, so the requirements of that prefix would be bypassed. Case is that of Unicode, in which the
 * Kelvin sign is a k. Returns no hook if there is no prefix inside.
 */
export function refuseOtherCase ({ prefix, targets }: Place, all: readonly Place[], addresses: Addresses = new Map()): onRequestHookHandler[] {
  const outer = prefix === '/' ? '/' : `${foldCase(prefix)}/`
  const inner = all.filter(other => other.prefix !== prefix && shareService(other.targets, targets, addresses)).map(other => foldCase(other.prefix)).filter(other => other.startsWith(outer))
  if (inner.length === 0) return []
  return [(request, _reply, done) => {
    const path = foldPath(request.raw.url!.split('?')[0]!)
    if (path === null || inner.some(other => path === other || path.startsWith(`${other}/`))) done(new PathRefusedError({ cause: new Error('differs in case alone from the prefix of another upstream') }))
    else done()
  }]
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
