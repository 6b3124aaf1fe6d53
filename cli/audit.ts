import { hostname, userInfo } from 'node:os'
import type { SecurityEvent } from '../lib/events.ts'
import type { Edge } from './edge.ts'

/**
 * Writes what a command did as one audit line on standard error, in the form that the audit lines of a gateway have, with the system's
 * user as `by`. A command has no log, so its caller decides where the line goes.
 */
export function writeAudit ({ stderr, env }: Pick<Edge, 'stderr' | 'env'>, event: SecurityEvent): void {
  stderr.write(`${JSON.stringify({ level: 30, time: Date.now(), hostname: hostname(), audit: true, ...event, by: operatorOf(env) })}\n`)
}

/** The system's user, and under sudo the user who called it. */
function operatorOf ({ SUDO_USER: caller }: Edge['env']): string {
  const user = systemUser()
  return caller === undefined || caller === '' || caller === user ? user : `${caller} (as ${user})`
}

/** A container may run as a number that has no name. */
function systemUser (): string {
  try {
    return userInfo().username
  } catch {
    return `uid ${process.getuid?.() ?? 'unknown'}`
  }
}
