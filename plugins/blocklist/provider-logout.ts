import { publish, type SecurityEvent } from '../../lib/events.ts'
import { toleranceMs, type Retention } from '../../lib/revocation/retention.ts'
import { longestSignInMs, type ProviderLogout } from '../../lib/session/provider-session.ts'
import type { ProviderSessionsEnd } from '../../stores/store.ts'
import type { Portcullis } from '../portcullis.ts'
import type { LogFollower } from './log-follower.ts'

interface LogoutOptions {
  parts: Portcullis
  retention: Readonly<Retention>
  follower: Pick<LogFollower, 'note' | 'catchUp'>
  by: Partial<SecurityEvent>
}

/** Ends the sessions that a provider has logged out, in the store and in this process, and reports it. */
export async function endProviderSessions (logout: ProviderLogout, { parts, retention, follower, by }: LogoutOptions): Promise<Pick<ProviderSessionsEnd, 'outcome' | 'sessions'>> {
  const { provider, subject, sid, jti, keepJtiForMs } = logout
  const { outcome, sessions, revocations } = await parts.store.endProviderSessions({
    provider,
    subject,
    sid,
    jti,
    keepJtiForMs,
    keepSidForMs: longestSignInMs + toleranceMs,
    keepForMs: retention.keepCutsForMs,
    maxTokenAgeMs: retention.maxTokenAgeMs
  })
  for (const revocation of revocations) follower.note(revocation)
  // An earlier delivery of the token, of which no answer has arrived, may have ended sessions that this one did not find.
  await follower.catchUp()
  publish({ ...by, event: 'provider.logout', provider, outcome, sessions, ...endedOf(revocations), ...subject === null ? {} : { subject } }, parts)
  return { outcome, sessions }
}

/** Returns the session that has ended, if it is a single one. */
function endedOf (revocations: ProviderSessionsEnd['revocations']): Pick<SecurityEvent, 'sid'> {
  const sids = revocations.filter(({ kind }) => kind === 'sid')
  return sids.length === 1 && sids[0]?.kind === 'sid' ? { sid: sids[0].sid } : {}
}
