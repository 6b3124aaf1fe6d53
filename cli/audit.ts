import { hostname, userInfo } from 'node:os'
import type { SecurityEvent } from '../lib/events.ts'
import type { Edge } from './edge.ts'

/**
 * Writes one audit line on standard error, in the format of the gateway's audit lines and with the system's user as `by`. A command
 * has no log, so the caller decides where the line goes.
 */
export function writeAudit ({ stderr, env, uid }: Pick<Edge, 'stderr' | 'env' | 'uid'>, event: SecurityEvent): void {
  stderr.write(`${JSON.stringify({ level: 30, time: Date.now(), hostname: hostname(), audit: true, ...event, by: operatorOf(env, uid) })}\n`)
}

/** Returns the name of the system's user; under sudo, of the user who invoked it. */
function operatorOf ({ SUDO_USER: caller }: Edge['env'], uid: Edge['uid']): string {
  const user = systemUser(uid)
  return caller === undefined || caller === '' || caller === user ? user : `${caller} (as ${user})`
}

/** Returns the user's name, or the uid when it has no name, as in containers. */
function systemUser (uid: Edge['uid']): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${uid ?? 'unknown'}`
  }
}
