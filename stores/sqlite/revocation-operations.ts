import type { DatabaseSync } from 'node:sqlite'
import { cutInstantKeptMs, latestCutMs } from '../../lib/revocation/cut-instant.ts'
import { subjectKeyOf, tokenKeyOf } from '../../lib/revocation/revocation-keys.ts'
import type { Revocation } from '../../lib/revocation/entries.ts'
import { createNoteCut } from './cut-instants.ts'
import { instant, logKeptMs, type Log } from './log.ts'
import { createEndByProviderKey, createRememberToken } from './provider-sids.ts'
import { createReadLive } from './session-operations.ts'

type SubjectCut = Extract<Revocation, { kind: 'subject' }>
type CutOfAll = Extract<Revocation, { kind: 'all' }>

/** Creates the operations that revoke tokens, subjects and all credentials. Each runs inside a transaction. */
export function createRevocationOperations (db: DatabaseSync, log: Log) {
  const remember = createRememberToken(db, log)
  const noteCut = createNoteCut(db)
  const raiseFloor = db.prepare(`
    UPDATE state SET floor_epoch = max(floor_epoch + 1, (SELECT coalesce(max(epoch), 0) + 1 FROM subjects), :seconds)
    RETURNING floor_epoch AS belowEpoch`)

  return {
    revokeToken (nowMs: number, { issuer, jti, ...token }: { issuer: string, jti: string, expiresAtMs: number }): void {
      remember(nowMs, tokenKeyOf(issuer, jti), instant(token.expiresAtMs))
    },

    revokeSubject: createRevokeSubject(db, log),
    reassert: createReassert(db, log),

    revokeAll (nowMs: number, keepForMs: number): CutOfAll {
      const belowEpoch = Number(raiseFloor.get({ seconds: secondsAfter(nowMs) })?.['belowEpoch'])
      noteCut.ofAll(nowMs)
      const cut: CutOfAll = { kind: 'all', belowEpoch, expiresAtMs: instant(nowMs + keepForMs) }
      log.append(nowMs, cut)
      return cut
    }
  }
}

function createRevokeSubject (db: DatabaseSync, log: Log) {
  const readLive = createReadLive(db)
  const noteCut = createNoteCut(db)
  const raiseEpoch = db.prepare(`
    INSERT INTO subjects (subject_key, epoch, except_sid, purge_at_ms)
    SELECT :subjectKey, max(floor_epoch + 1, :seconds), :exceptSid, :purgeAtMs FROM state WHERE true
    ON CONFLICT (subject_key) DO UPDATE SET epoch = max(epoch + 1, excluded.epoch), except_sid = excluded.except_sid,
      purge_at_ms = max(purge_at_ms, excluded.purge_at_ms)
    RETURNING epoch AS belowEpoch`)
  const lastCut = db.prepare(`
    SELECT epoch AS belowEpoch, except_sid AS exceptSid FROM subjects, state
    WHERE subject_key = :subjectKey AND epoch >= max(floor_epoch + 1, :seconds) AND (except_sid IS NULL OR except_sid IS :exceptSid)`)
  const removeOthers = db.prepare('DELETE FROM sessions WHERE subject_key = :subjectKey AND sid IS NOT :exceptSid')

  return (nowMs: number, subject: string, options: { exceptSid: string | null, keepForMs: number }): SubjectCut => {
    const candidate = options.exceptSid === null ? null : readLive(options.exceptSid, nowMs)
    const excepted = candidate?.subject === subject ? candidate : null
    const exceptSid = excepted?.sid ?? null
    const subjectKey = subjectKeyOf(subject)
    const expiresAtMs = instant(nowMs + options.keepForMs)
    const purgeAtMs = Math.max(expiresAtMs, excepted?.expiresAtMs ?? 0) + logKeptMs

    const seconds = secondsAfter(nowMs)
    const isAnyEnded = removeOthers.run({ subjectKey, exceptSid }).changes > 0
    // A cut that would end nothing more than the last one is skipped; otherwise epochs would run ahead of the clock, and the log
    // would fill.
    const last = isAnyEnded ? undefined : lastCut.get({ subjectKey, seconds, exceptSid })
    if (last !== undefined) {
      // A sign-in at a provider may have begun since the last cut.
      noteCut.ofSubject(subjectKey, nowMs, nowMs + cutInstantKeptMs)
      return { kind: 'subject', subjectKey, expiresAtMs, ...last as { belowEpoch: number, exceptSid: string | null } }
    }
    const belowEpoch = Number(raiseEpoch.get({ subjectKey, exceptSid, purgeAtMs, seconds })?.['belowEpoch'])
    noteCut.ofSubject(subjectKey, nowMs, nowMs + cutInstantKeptMs)
    const cut: SubjectCut = { kind: 'subject', subjectKey, belowEpoch, exceptSid, expiresAtMs }
    log.append(nowMs, cut)
    return cut
  }
}

/** Repeats the effects of each revocation when they were lost. No lease is needed, because a file has one writer at a time. */
function createReassert (db: DatabaseSync, log: Log) {
  const removeSession = db.prepare('DELETE FROM sessions WHERE sid = ?')
  const remember = createRememberToken(db, log)
  const endByProviderKey = createEndByProviderKey(db, log)
  const noteCut = createNoteCut(db)
  const removeOlder = db.prepare('DELETE FROM sessions WHERE subject_key = :subjectKey AND epoch < :belowEpoch AND sid IS NOT :exceptSid')
  const raiseEpoch = db.prepare(`
    INSERT INTO subjects (subject_key, epoch, except_sid, purge_at_ms) VALUES (:subjectKey, :belowEpoch, :exceptSid, :purgeAtMs)
    ON CONFLICT (subject_key) DO UPDATE SET epoch = excluded.epoch, except_sid = excluded.except_sid, purge_at_ms = max(purge_at_ms, excluded.purge_at_ms)
    WHERE epoch < excluded.epoch`)
  const raiseFloor = db.prepare('UPDATE state SET floor_epoch = :belowEpoch WHERE floor_epoch < :belowEpoch')

  const again = (nowMs: number, revocation: Revocation): void => {
    const { expiresAtMs } = revocation
    switch (revocation.kind) {
      case 'sid':
        removeSession.run(revocation.sid)
        return log.revokeSid(nowMs, revocation.sid, expiresAtMs - nowMs)
      case 'jti':
        remember(nowMs, revocation.tokenKey, expiresAtMs)
        // Sessions may have been opened while the logout at the provider was lost.
        endByProviderKey(nowMs, revocation.tokenKey, { subjectKey: null, expiresAtMs: nowMs + logKeptMs })
        return
      case 'subject': {
        const { subjectKey, belowEpoch, exceptSid } = revocation
        if (raiseEpoch.run({ subjectKey, belowEpoch, exceptSid, purgeAtMs: expiresAtMs + logKeptMs }).changes === 0) return
        noteCut.ofSubject(subjectKey, latestCutMs(belowEpoch, nowMs), nowMs + cutInstantKeptMs)
        removeOlder.run({ subjectKey, belowEpoch, exceptSid })
        return log.append(nowMs, revocation)
      }
      case 'all':
        if (raiseFloor.run({ belowEpoch: revocation.belowEpoch }).changes === 0) return
        noteCut.ofAll(latestCutMs(revocation.belowEpoch, nowMs))
        log.append(nowMs, revocation)
    }
  }
  return (nowMs: number, revocations: readonly Revocation[]): 'asserted' => {
    for (const revocation of revocations) if (revocation.expiresAtMs > nowMs) again(nowMs, revocation)
    return 'asserted'
  }
}

/** Returns a second later than that of any token issued until now. */
function secondsAfter (nowMs: number): number {
  return Math.floor(nowMs / 1000) + 1
}
