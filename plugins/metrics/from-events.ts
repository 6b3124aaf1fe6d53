import { Counter, type Registry } from 'prom-client'
import type { SecurityEvent } from '../../lib/events.ts'

const refreshOutcomes = ['rotated', 'repeated', 'held', 'recovered', 'reused', 'expired', 'unknown', 'revoked', 'forged']
const deviceOutcomes = ['bound', 'renewed', 'refused']
const revocationKinds = ['sid', 'jti', 'subject', 'all']

/** Counts what is rare enough to be counted when it happens. */
export function createEventCounter (registry: Registry): (event: SecurityEvent) => void {
  const registers = [registry]
  const opened = new Counter({ name: 'portcullis_sessions_opened_total', help: 'Sessions opened by this process.', registers })
  const refreshes = new Counter({ name: 'portcullis_refresh_total', help: 'Refresh tokens presented, by what was decided about them.', labelNames: ['outcome'], registers })
  const devices = new Counter({ name: 'portcullis_device_proofs_total', help: 'Proofs of the keys of devices, by what became of them.', labelNames: ['outcome'], registers })
  const revocations = new Counter({ name: 'portcullis_revocations_total', help: 'Revocations made by this process, the ends of single sessions among them, by what was revoked.', labelNames: ['kind'], registers })

  // So that the first one of its kind is a rise from zero.
  for (const outcome of refreshOutcomes) refreshes.inc({ outcome }, 0)
  for (const outcome of deviceOutcomes) devices.inc({ outcome }, 0)
  for (const kind of revocationKinds) revocations.inc({ kind }, 0)

  return ({ event, sid, outcome = '' }) => {
    if (event === 'session.opened') opened.inc()
    if (event.startsWith('refresh.')) refreshes.inc({ outcome })
    if (event.startsWith('device.')) devices.inc({ outcome: event.slice('device.'.length) })
    if (event === 'revocation.added') revocations.inc({ kind: outcome })
    // Without a sid it is the whole subject's, and a revocation of its own tells of that one.
    if ((event === 'session.closed' && sid !== undefined) || event === 'refresh.reused') revocations.inc({ kind: 'sid' })
  }
}
