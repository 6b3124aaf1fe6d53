import type { onRequestHookHandler } from 'fastify'
import { PathRefusedError } from '../../lib/errors.ts'
import { isSameService, type Addresses } from '../../lib/proxy/service-address.ts'

interface Place { prefix: string, target: string }

/**
 * To a service that ignores case `/app/ADMIN` is `/app/admin`, and what that prefix demands would be got around. So under a prefix
 * whatever differs in case alone from a prefix inside it, of the same service, is refused. No hook where there is none inside.
 */
export function refuseOtherCase ({ prefix, target }: Place, all: readonly Place[], addresses: Addresses = new Map()): onRequestHookHandler[] {
  const outer = prefix === '/' ? '/' : `${prefix.toLowerCase()}/`
  const inner = all.filter(other => other.prefix !== prefix && isSameService(other.target, target, addresses)).map(other => other.prefix.toLowerCase()).filter(other => other.startsWith(outer))
  if (inner.length === 0) return []
  return [(request, _reply, done) => {
    const path = request.raw.url!.split('?')[0]!.toLowerCase()
    if (inner.some(other => path === other || path.startsWith(`${other}/`))) done(new PathRefusedError({ cause: new Error('differs in case alone from the prefix of another upstream') }))
    else done()
  }]
}
