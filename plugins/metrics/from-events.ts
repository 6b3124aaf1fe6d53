import { Counter } from 'prom-client'
import type { SecurityEvent } from '../../lib/events.ts'
import type { Target } from './from-counts.ts'

const refreshOutcomes = ['rotated', 'repeated', 'held', 'recovered', 'reused', 'expired', 'unknown', 'revoked', 'forged']
const loginOutcomes = ['accepted', 'refused', 'step_up', 'step_up_refused']
const deviceOutcomes = ['bound', 'renewed', 'refused']
const logoutOutcomes = ['ended', 'repeated', 'refused', 'failed']
const revocationKinds = ['sid', 'jti', 'subject', 'all']

/** Counts events that are rare enough to be counted when they happen. */
export function createEventCounter (target: Target): (event: SecurityEvent) => void {
  const opened = new Counter(target.named({ name: 'portcullis_sessions_opened_total', help: 'Sessions opened by this process.' }))
  const logins = new Counter(target.named({ name: 'portcullis_logins_total', help: 'Sign-ins and step-ups, by what became of them; portcullis_rate_limited_total has those that were not looked at.', labelNames: ['outcome'] }))
  const refreshes = new Counter(target.named({ name: 'portcullis_refresh_total', help: 'Refresh tokens presented, by what was decided about them.', labelNames: ['outcome'] }))
  const devices = new Counter(target.named({ name: 'portcullis_device_proofs_total', help: 'Proofs of the keys of devices, by what became of them.', labelNames: ['outcome'] }))
  const revocations = new Counter(target.named({ name: 'portcullis_revocations_total', help: 'Revocations made by this process, the ends of single sessions among them, by what was revoked.', labelNames: ['kind'] }))

  const countProvider = createProviderCounter(target)

  // Counters start at zero, so that the first event of a kind is an increase.
  for (const outcome of loginOutcomes) logins.inc({ outcome }, 0)
  for (const outcome of refreshOutcomes) refreshes.inc({ outcome }, 0)
  for (const outcome of deviceOutcomes) devices.inc({ outcome }, 0)
  for (const kind of revocationKinds) revocations.inc({ kind }, 0)

  return published => {
    const { event, sid, outcome = '' } = published
    countProvider(published)
    if (event === 'session.opened') opened.inc()
    const login = loginOutcomeOf(event, outcome)
    if (login !== null) logins.inc({ outcome: login })
    if (event.startsWith('refresh.')) refreshes.inc({ outcome })
    if (event.startsWith('device.')) devices.inc({ outcome: event.slice('device.'.length) })
    if (event === 'revocation.added') revocations.inc({ kind: outcome })
    // An event without a sid ends all sessions of a subject, for which a separate revocation is reported.
    if ((event === 'session.closed' && sid !== undefined) || event === 'refresh.reused') revocations.inc({ kind: 'sid' })
  }
}

const providerLogins: Partial<Record<SecurityEvent['event'], string>> = { 'login.started': 'started', 'session.opened': 'accepted', 'login.refused': 'refused', 'step_up.done': 'step_up' }

/** Counts what events say about identity providers. The reason of a refusal is in the event alone. */
function createProviderCounter (target: Target): (event: SecurityEvent) => void {
  const logins = new Counter(target.named({ name: 'portcullis_provider_logins_total', help: 'Sign-ins and step-ups with identity providers, by the name of the provider and by what became of them.', labelNames: ['provider', 'outcome'] }))
  const logouts = new Counter(target.named({ name: 'portcullis_provider_logouts_total', help: 'Logouts that identity providers demanded, by the name of the provider and by what became of them.', labelNames: ['provider', 'outcome'] }))
  const known = new Set<string>()

  return ({ event, provider, outcome = '' }) => {
    if (provider === undefined) return
    if (!known.has(provider)) {
      known.add(provider)
      for (const outcome of Object.values(providerLogins)) logins.inc({ provider, outcome }, 0)
      for (const outcome of logoutOutcomes) logouts.inc({ provider, outcome }, 0)
    }
    const login = providerLogins[event]
    if (login !== undefined) logins.inc({ provider, outcome: login })
    if (event === 'provider.logout') logouts.inc({ provider, outcome: logoutOutcomes.includes(outcome) ? outcome : 'failed' })
  }
}

function loginOutcomeOf (event: SecurityEvent['event'], outcome: string): string | null {
  if (event === 'session.opened') return 'accepted'
  if (event === 'step_up.done') return 'step_up'
  if (event !== 'login.refused') return null
  return outcome === 'step-up' ? 'step_up_refused' : 'refused'
}
