import type { FastifyBaseLogger } from 'fastify'
import type { AuditEvent } from '../plugins/audit.ts'

/**
 * Returns a sink that writes each event at level info. The operator has chosen the level of the log, so the start does not warn of a level that
 * omits the events.
 */
export function logEvents (log: FastifyBaseLogger): (event: AuditEvent) => void {
  return ({ at: _at, ...event }) => { log.info({ audit: true, ...event }) }
}
