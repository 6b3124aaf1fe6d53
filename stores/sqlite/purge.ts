import type { DatabaseSync } from 'node:sqlite'

/**
 * Removes rows that no request can need any more, at most `limit` a table. It runs with every batch of writes and may remove more
 * rows than the batch can have added, so the file stops growing without timers, and no transaction becomes long.
 */
export function createPurge (db: DatabaseSync): (nowMs: number, limit: number) => void {
  const removeSessions = db.prepare('DELETE FROM sessions WHERE rowid IN (SELECT rowid FROM sessions WHERE expires_at_ms <= ? LIMIT ?)')
  const removeSubjects = db.prepare('DELETE FROM subjects WHERE subject_key IN (SELECT subject_key FROM subjects WHERE purge_at_ms <= ? LIMIT ?)')
  const removeEntries = db.prepare('DELETE FROM log WHERE seq IN (SELECT seq FROM log WHERE purge_at_ms <= ? LIMIT ?) RETURNING seq')
  const notePurged = db.prepare('UPDATE state SET purged_through = max(purged_through, ?)')

  return (nowMs, limit) => {
    removeSessions.run(nowMs, limit)
    removeSubjects.run(nowMs, limit)
    const purged = removeEntries.all(nowMs, limit)
    if (purged.length > 0) notePurged.run(purged.reduce((highest, { seq }) => Math.max(highest, Number(seq)), 0))
  }
}
