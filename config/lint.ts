import type { StoredUser } from '../users/users-file.ts'
import type { Addresses } from '../lib/proxy/service-address.ts'
import type { Config } from './config.ts'
import { lintLifetimes } from './lint/lifetimes.ts'
import { lintOperation } from './lint/operation.ts'
import { lintPaths } from './lint/paths.ts'
import { lintProviders } from './lint/providers.ts'
import { lintReach } from './lint/reach.ts'
import { lintUpstreams } from './lint/upstreams.ts'

/**
 * Returns a line for each setting that is allowed but questionable. `users` are those of the users file, null when they are unknown;
 * `addresses` are the addresses of the targets' host names.
 */
export function lintConfig (config: Config, users: StoredUser[] | null = null, addresses: Addresses = new Map()): string[] {
  return [lintReach(config), lintProviders(config), lintLifetimes(config), lintOperation(config), lintUpstreams(config, users, addresses), lintPaths(config, addresses)].flat()
}
