import type { FastifyReply } from 'fastify'
import { LoginInvalidError } from '../../lib/errors.ts'
import { publish, sourceOf } from '../../lib/events.ts'
import { providerSidClaims } from '../../lib/revocation/provider-keys.ts'
import { strengthenAtProvider, type Strength } from '../../lib/session/authentication.ts'
import { checkProof, providerSubjectOf, type ProviderProof } from '../../lib/session/provider-session.ts'
import type { SessionRecord } from '../../lib/session/record.ts'
import { createCookieSecret, formatSessionCookie } from '../../lib/session/sid.ts'
import { assertFitsToken, checkStrength, type SignIn } from '../../lib/session/sign-in.ts'
import type { SessionView } from '../../lib/session/view.ts'
import type { ProviderRenewal } from '../../stores/store.ts'
import type { Portcullis } from '../portcullis.ts'
import { endOthers, takeOver } from './carried-sessions.ts'
import type { DeviceGuard } from './device-guard.ts'
import { describeOpening, reportClosed, type Lifetimes } from './lifetimes.ts'

/** Sessions that begin at an identity provider. */
export interface ProviderSessions {
  /**
   * Opens a session for a subject that a provider has authenticated, as `open` does, and sets the session cookie. The subject is
   * `<provider>|<sub>`. `endsAtMs` is the latest end that the provider permits. `cut`: the subject or everybody was cut since the sign-in
   * began, or the sign-in began too long ago, so it must begin again. `logged-out`: the provider has ended its session meanwhile. Both leave no
   * session here. Rejects with LoginInvalidError if `endsAtMs` has passed.
   */
  openFromProvider (reply: FastifyReply, signIn: SignIn, proof: ProviderProof, options?: { endsAtMs?: number | null }): Promise<{ outcome: 'opened', session: SessionView } | { outcome: 'cut' | 'logged-out' }>
  /**
   * Issues a new cookie secret for a session, as `renew` does, after its provider has authenticated the same user again. The time of the
   * authentication, `acr` and the claims are then those of the provider. `gone`: there is no session of this user and provider.
   * `logged-out`: the provider has ended its session meanwhile, and so the session here has ended.
   */
  renewFromProvider (reply: FastifyReply, sid: string, fresh: Strength, proof: ProviderProof): Promise<ProviderRenewal>
  /** Returns the instant of the last revocation of the subject or of everybody, by the store's clock; null without one in the last 30 days. */
  lastCutMs (subject: string): Promise<number | null>
}

interface Surroundings {
  portcullis: Pick<Portcullis, 'store' | 'cookies' | 'blocklist'>
  lifetimes: Lifetimes
  findDevices: () => DeviceGuard | null
  view: (record: SessionRecord) => SessionView
  read: (sid: string) => Promise<SessionRecord | null>
}

export function createProviderSessions ({ portcullis, lifetimes, findDevices, view, read }: Surroundings): ProviderSessions {
  const { store, cookies, blocklist } = portcullis

  /** Ends a session whose provider has ended its session, if this process knows of the logout and the store does not. */
  async function endLoggedOut ({ sid, provider }: SessionRecord): Promise<boolean> {
    if (provider === null || provider.sid === null || !blocklist.knowsAsRevoked(providerSidClaims(provider.name, provider.sid))) return false
    await blocklist.close(sid)
    return true
  }

  return {
    async openFromProvider (reply, signIn, given, { endsAtMs = null } = {}) {
      const proof = checkProof(given)
      if (signIn.subject !== providerSubjectOf(proof.provider)) throw new TypeError('the subject of a session of a provider is <provider>|<sub>')
      const { secret, secretHash } = createCookieSecret()
      const opening = describeOpening(reply, signIn, { mode: 'session', secretHash, lifetimes }, portcullis)
      const absoluteTimeoutMs = endsAtMs === null ? lifetimes.absoluteTimeoutMs : Math.min(lifetimes.absoluteTimeoutMs, endsAtMs - store.nowMs())
      if (!(absoluteTimeoutMs > 0)) throw new LoginInvalidError({ cause: new Error('the session at the provider has expired') })
      const { outcome, record, closed } = await store.openFromProvider({ ...opening, ...proof, absoluteTimeoutMs })
      if (outcome !== 'opened') return { outcome }
      reportClosed(reply, record, closed, portcullis)
      if (await endLoggedOut(record)) return { outcome: 'logged-out' }
      await takeOver(reply, record.sid, 'session', portcullis)
      cookies.set(reply, 'session', formatSessionCookie(record.sid, secret))
      findDevices()?.offer(reply, record)
      publish({ event: 'session.opened', sid: record.sid, subject: record.subject, ...sourceOf(reply.request), outcome: 'session', provider: proof.provider.name }, portcullis)
      return { outcome, session: view(record) }
    },

    async renewFromProvider (reply, sid, fresh, given) {
      const proof = checkProof(given)
      const strength = checkStrength(fresh)
      const known = await read(sid)
      if (known === null) return { outcome: 'gone', record: null }
      assertFitsToken({ ...known, ...strengthenAtProvider(known, strength, 0) })
      await endOthers(reply, sid, portcullis)
      const { secret, secretHash } = createCookieSecret()
      const renewal = await store.renewFromProvider(sid, { ...proof, ...strength, secretHash, maxTokenAgeMs: blocklist.maxTokenAgeMs })
      if (renewal.outcome === 'logged-out') blocklist.note({ kind: 'sid', sid, expiresAtMs: store.nowMs() + blocklist.maxTokenAgeMs })
      if (renewal.outcome !== 'renewed') return renewal
      blocklist.note({ kind: 'changed', sid })
      if (await endLoggedOut(renewal.record)) return { outcome: 'logged-out', record: null }
      cookies.set(reply, 'session', formatSessionCookie(sid, secret))
      findDevices()?.offer(reply, renewal.record)
      return renewal
    },

    lastCutMs: async subject => await store.lastCutMs(subject)
  }
}
