import type { DatabaseSync } from 'node:sqlite'
import type { LogEntry } from '../../lib/revocation/entries.ts'

/** The minimum time that an entry stays in the log, in milliseconds, so that a follower that is merely late never meets a gap. */
export const logKeptMs = 3_600_000

export interface Log {
  append: (nowMs: number, entry: LogEntry) => void
  /** Logs a `sid` as revoked, unless it is logged already. */
  revokeSid: (nowMs: number, sid: string, maxTokenAgeMs: number) => void
}

/** Creates the writing side of the log. An entry is part of the transaction that it reports. */
export function createLog (db: DatabaseSync): Log {
  const insert = db.prepare(`
    INSERT INTO log (kind, sid, token_key, subject_key, below_epoch, except_sid, expires_at_ms, purge_at_ms)
    VALUES (:kind, :sid, :tokenKey, :subjectKey, :belowEpoch, :exceptSid, :expiresAtMs, :purgeAtMs)`)
  const isRevoked = db.prepare("SELECT 1 FROM log WHERE kind = 'sid' AND sid = ? AND expires_at_ms > ?")
  const removeSid = db.prepare("DELETE FROM log WHERE kind = 'sid' AND sid = ?")
  const nothing = { sid: null, tokenKey: null, subjectKey: null, belowEpoch: null, exceptSid: null, expiresAtMs: null }

  function append (nowMs: number, entry: LogEntry): void {
    const expiresAtMs = 'expiresAtMs' in entry ? entry.expiresAtMs : 0
    insert.run({ ...nothing, ...entry, purgeAtMs: Math.max(expiresAtMs, nowMs + logKeptMs) })
  }

  function revokeSid (nowMs: number, sid: string, maxTokenAgeMs: number): void {
    if (isRevoked.get(sid, nowMs) !== undefined) return
    removeSid.run(sid)
    append(nowMs, { kind: 'sid', sid, expiresAtMs: instant(nowMs + maxTokenAgeMs) })
  }

  return { append, revokeSid }
}

/** Returns a time as the database stores it: whole milliseconds, rounded up. */
export function instant (ms: number): number {
  return Math.min(Math.ceil(ms), Number.MAX_SAFE_INTEGER)
}
