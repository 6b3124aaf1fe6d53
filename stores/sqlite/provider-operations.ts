import type { DatabaseSync } from 'node:sqlite'
import { isCutSince } from '../../lib/revocation/cut-instant.ts'
import { logoutKeyOf, providerSidKeyOf } from '../../lib/revocation/provider-keys.ts'
import { subjectKeyOf } from '../../lib/revocation/revocation-keys.ts'
import { strengthenAtProvider, type Strength } from '../../lib/session/authentication.ts'
import { encodeProvider, longestSignInMs, providerSubjectOf, type ProviderProof, type ProviderSession } from '../../lib/session/provider-session.ts'
import type { EndProviderSessions, OpenSession, ProviderOpening, ProviderRenewal, ProviderSessionsEnd } from '../store.ts'
import { createReadCutInstant } from './cut-instants.ts'
import { isLive } from './is-live.ts'
import { instant, type Log } from './log.ts'
import type { createOnceOperations } from './once-operations.ts'
import type { createRevocationOperations } from './revocation-operations.ts'
import { createEndByProviderKey, createRememberToken } from './provider-sids.ts'
import { createReadLive, type createSessionOperations } from './session-operations.ts'

/* The operations on sessions that began at an identity provider. Each runs inside a transaction, so the order of their steps is free. */

type Others = Pick<ReturnType<typeof createSessionOperations>, 'open'> & Pick<ReturnType<typeof createRevocationOperations>, 'revokeSubject'> & Pick<ReturnType<typeof createOnceOperations>, 'useOnce'>
type Fresh = { secretHash: string, maxTokenAgeMs: number } & Strength & ProviderProof

const isOverdue = ({ beganAtMs }: ProviderProof, nowMs: number): boolean => nowMs - beganAtMs >= longestSignInMs

export function createProviderOperations (db: DatabaseSync, log: Log, { open, revokeSubject, useOnce }: Others) {
  const readLive = createReadLive(db)
  const cutInstant = createReadCutInstant(db)
  const isLoggedOut = db.prepare("SELECT 1 FROM log WHERE kind = 'jti' AND token_key = ? AND expires_at_ms > ?")
  const insert = db.prepare('INSERT INTO provider_sids (provider_key, sid) VALUES (?, ?) ON CONFLICT DO NOTHING')
  const remove = db.prepare('DELETE FROM sessions WHERE sid = ?')
  const replace = db.prepare('UPDATE sessions SET secret_hash = :secretHash, auth_time_ms = :authTimeMs, acr = :acr, amr = :amr, provider = :provider WHERE sid = :sid')
  const isKnownOut = (nowMs: number, { name, sid }: ProviderSession): boolean => sid !== null && isLoggedOut.get(providerSidKeyOf(name, sid), nowMs) !== undefined

  function index (sid: string, provider: ProviderSession): void {
    if (provider.sid !== null) insert.run(providerSidKeyOf(provider.name, provider.sid), sid)
  }

  return {
    openFromProvider (nowMs: number, session: OpenSession & ProviderProof): ProviderOpening {
      if (isOverdue(session, nowMs) || isCutSince(cutInstant(session.subject, nowMs), session, nowMs)) return { outcome: 'cut', record: null, closed: [] }
      if (isKnownOut(nowMs, session.provider)) return { outcome: 'logged-out', record: null, closed: [] }
      const { record, closed } = open(nowMs, session)
      index(record.sid, session.provider)
      return { outcome: 'opened', record, closed }
    },

    renewFromProvider (nowMs: number, sid: string, { secretHash, maxTokenAgeMs, provider, acr, amr, ...proof }: Fresh): ProviderRenewal {
      const record = readLive(sid, nowMs)
      if (record?.mode !== 'session' || record.provider === null || record.subject !== providerSubjectOf(provider)) return { outcome: 'gone', record: null }
      if (isOverdue({ provider, ...proof }, nowMs)) return { outcome: 'gone', record: null }
      if (isKnownOut(nowMs, provider)) {
        remove.run(sid)
        log.revokeSid(nowMs, sid, maxTokenAgeMs)
        return { outcome: 'logged-out', record: null }
      }
      const authentication = strengthenAtProvider(record, { acr, amr }, Math.min(proof.authTimeMs, nowMs))
      replace.run({ sid, secretHash, ...authentication, amr: JSON.stringify(authentication.amr), provider: encodeProvider(provider) })
      index(sid, provider)
      log.append(nowMs, { kind: 'changed', sid })
      return { outcome: 'renewed', record: { ...record, secretHash, ...authentication, provider } }
    },

    endProviderSessions: createEndProviderSessions(db, log, { revokeSubject, useOnce })
  }
}

function createEndProviderSessions (db: DatabaseSync, log: Log, { revokeSubject, useOnce }: Omit<Others, 'open'>) {
  const endSessions = createEndByProviderKey(db, log)
  const remember = createRememberToken(db, log)
  const countLive = db.prepare(`SELECT count(*) AS sessions FROM sessions WHERE subject_key = :subjectKey AND ${isLive}`)

  return (nowMs: number, { provider, subject, sid, jti, ...options }: EndProviderSessions): ProviderSessionsEnd => {
    const { keepJtiForMs, keepSidForMs, keepForMs, maxTokenAgeMs } = options
    if (sid !== null) {
      const tokenKey = providerSidKeyOf(provider, sid)
      const tombstone = remember(nowMs, tokenKey, instant(nowMs + Math.max(keepSidForMs, longestSignInMs, keepJtiForMs)))
      const ended = endSessions(nowMs, tokenKey, { subjectKey: subject === null ? null : subjectKeyOf(subject), expiresAtMs: instant(nowMs + maxTokenAgeMs) })
      return { outcome: 'ended', sessions: ended.length, revocations: [tombstone, ...ended] }
    }
    if (subject === null) throw new TypeError('a logout names a session or a subject')
    // The name is none that a caller of useOnce can choose.
    if (!useOnce(nowMs, `logout ${logoutKeyOf(provider, jti, subject)}`, Math.max(1, Math.ceil(keepJtiForMs)))) return { outcome: 'repeated', sessions: 0, revocations: [] }
    const sessions = Number(countLive.get({ subjectKey: subjectKeyOf(subject), nowMs })?.['sessions'])
    return { outcome: 'ended', sessions, revocations: [revokeSubject(nowMs, subject, { exceptSid: null, keepForMs })] }
  }
}
