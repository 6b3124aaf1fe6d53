import type { DatabaseSync } from 'node:sqlite'
import type { Revocation } from '../store.ts'
import { instant, logKeptMs, type Log } from './log.ts'
import { createReadLive } from './session-operations.ts'

type SubjectCut = Extract<Revocation, { kind: 'subject' }>
type CutOfAll = Extract<Revocation, { kind: 'all' }>

/** Revoking tokens, subjects and everybody, each to be run inside a transaction. */
export function createRevocationOperations (db: DatabaseSync, log: Log) {
  const longestRevocation = db.prepare("SELECT max(expires_at_ms) AS expiresAtMs FROM log WHERE kind = 'jti' AND jti = :jti AND issuer = :issuer")
  const removeToken = db.prepare("DELETE FROM log WHERE kind = 'jti' AND jti = :jti AND issuer = :issuer")
  const raiseFloor = db.prepare(`
    UPDATE state SET floor_epoch = max(floor_epoch + 1, (SELECT coalesce(max(epoch), 0) + 1 FROM subjects), :seconds)
    RETURNING floor_epoch AS belowEpoch`)

  return {
    revokeToken (nowMs: number, { issuer, jti, ...token }: { issuer: string, jti: string, expiresAtMs: number }): void {
      const expiresAtMs = instant(token.expiresAtMs)
      const known = Number(longestRevocation.get({ issuer, jti })?.['expiresAtMs'] ?? 0)
      if (expiresAtMs <= Math.max(known, nowMs)) return
      removeToken.run({ issuer, jti })
      log.append(nowMs, { kind: 'jti', issuer, jti, expiresAtMs })
    },

    revokeSubject: createRevokeSubject(db, log),

    revokeAll (nowMs: number, keepForMs: number): CutOfAll {
      const belowEpoch = Number(raiseFloor.get({ seconds: secondsAfter(nowMs) })?.['belowEpoch'])
      const cut: CutOfAll = { kind: 'all', belowEpoch, expiresAtMs: instant(nowMs + keepForMs) }
      log.append(nowMs, cut)
      return cut
    }
  }
}

function createRevokeSubject (db: DatabaseSync, log: Log) {
  const readLive = createReadLive(db)
  const raiseEpoch = db.prepare(`
    INSERT INTO subjects (subject, epoch, except_sid, purge_at_ms)
    SELECT :subject, max(floor_epoch + 1, :seconds), :exceptSid, :purgeAtMs FROM state WHERE true
    ON CONFLICT (subject) DO UPDATE SET epoch = max(epoch + 1, excluded.epoch), except_sid = excluded.except_sid,
      purge_at_ms = max(purge_at_ms, excluded.purge_at_ms)
    RETURNING epoch AS belowEpoch`)
  const removeOthers = db.prepare('DELETE FROM sessions WHERE subject = :subject AND sid IS NOT :exceptSid')

  return (nowMs: number, subject: string, options: { exceptSid: string | null, keepForMs: number }): SubjectCut => {
    const candidate = options.exceptSid === null ? null : readLive(options.exceptSid, nowMs)
    const excepted = candidate?.subject === subject ? candidate : null
    const exceptSid = excepted?.sid ?? null
    const expiresAtMs = instant(nowMs + options.keepForMs)
    const purgeAtMs = Math.max(expiresAtMs, excepted?.expiresAtMs ?? 0) + logKeptMs

    const belowEpoch = Number(raiseEpoch.get({ subject, exceptSid, purgeAtMs, seconds: secondsAfter(nowMs) })?.['belowEpoch'])
    removeOthers.run({ subject, exceptSid })
    const cut: SubjectCut = { kind: 'subject', subject, belowEpoch, exceptSid, expiresAtMs }
    log.append(nowMs, cut)
    return cut
  }
}

/** Above the second of any token that was issued until now. */
function secondsAfter (nowMs: number): number {
  return Math.floor(nowMs / 1000) + 1
}
