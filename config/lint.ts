import type { StoredUser } from '../users/users-file.ts'
import type { Addresses } from '../lib/proxy/service-address.ts'
import type { Config } from './config.ts'
import { lintLifetimes } from './lint/lifetimes.ts'
import { lintOperation } from './lint/operation.ts'
import { lintPaths } from './lint/paths.ts'
import { lintReach } from './lint/reach.ts'
import { lintUpstreams } from './lint/upstreams.ts'

/** What is allowed but worth a second look, one line each. `users`: those of the users file, where they are known; `addresses`: what names of targets resolve to. */
export function lintConfig (config: Config, users: StoredUser[] | null = null, addresses: Addresses = new Map()): string[] {
  return [lintReach(config), lintLifetimes(config), lintOperation(config), lintUpstreams(config, users, addresses), lintPaths(config, addresses)].flat()
}
