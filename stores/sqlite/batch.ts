import type { DatabaseSync } from 'node:sqlite'
import { retryWhileBusy } from './busy.ts'
import { createOperations, type OperationName } from './operations.ts'

/** One write on its way to the writing thread. */
export interface Request {
  id: number
  name: OperationName
  nowMs: number
  args: unknown[]
}

export type Reply = { id: number, value: unknown } | { id: number, error: unknown }

const purgedPerBatch = 64
/**
 * The number of rows to purge for each request. An operation adds one session and one entry of the log; earlier operations added
 * the rows that it closes.
 */
const purgedPerRequest = 4

/** Runs a batch in one transaction, so that its writes share one wait for the disk, and replies after the commit. */
export function createRunBatch (db: DatabaseSync, timeoutMs: number): (requests: Request[]) => Reply[] {
  const operations = createOperations(db) as Record<OperationName, (nowMs: number, ...args: unknown[]) => unknown>
  const purge = createPurge(db)
  const begin = db.prepare('BEGIN IMMEDIATE')
  const commit = db.prepare('COMMIT')
  const rollback = db.prepare('ROLLBACK')
  const mark = db.prepare('SAVEPOINT one')
  const release = db.prepare('RELEASE one')
  const undo = db.prepare('ROLLBACK TO one')

  /**
   * Runs one operation. A failure does not affect the others, unless SQLite has rolled back the whole transaction (disk full, I/O
   * error).
   */
  function attempt (id: number, action: () => unknown): Reply {
    mark.run()
    try {
      const value = action()
      release.run()
      return { id, value }
    } catch (error) {
      if (!db.isTransaction) throw error
      undo.run()
      release.run()
      return { id, error }
    }
  }

  return requests => {
    try {
      retryWhileBusy(timeoutMs, () => begin.run())
      const replies = requests.map(({ id, name, nowMs, args }) => attempt(id, () => operations[name](nowMs, ...args)))
      const latestMs = requests.reduce((latest, { nowMs }) => Math.max(latest, nowMs), 0)
      // A failed purge is repeated later and does not affect the writes.
      attempt(0, () => purge(latestMs, purgedPerBatch + purgedPerRequest * requests.length))
      commit.run()
      return replies
    } catch (error) {
      if (db.isTransaction) rollback.run()
      return requests.map(({ id }) => ({ id, error }))
    }
  }
}

/**
 * Removes rows that no request can need any more, at most `limit` a table. It runs with every batch of writes and may remove more
 * rows than the batch can have added, so the file stops growing without timers, and no transaction becomes long.
 */
function createPurge (db: DatabaseSync): (nowMs: number, limit: number) => void {
  const removeSessions = db.prepare('DELETE FROM sessions WHERE rowid IN (SELECT rowid FROM sessions WHERE expires_at_ms <= ? LIMIT ?)')
  const removeSubjects = db.prepare('DELETE FROM subjects WHERE subject_key IN (SELECT subject_key FROM subjects WHERE purge_at_ms <= ? LIMIT ?)')
  const removeEntries = db.prepare('DELETE FROM log WHERE seq IN (SELECT seq FROM log WHERE purge_at_ms <= ? LIMIT ?) RETURNING seq')
  const removeUsed = db.prepare('DELETE FROM used WHERE name IN (SELECT name FROM used WHERE expires_at_ms <= ? LIMIT ?)')
  const notePurged = db.prepare('UPDATE state SET purged_through = max(purged_through, ?)')

  return (nowMs, limit) => {
    removeSessions.run(nowMs, limit)
    removeSubjects.run(nowMs, limit)
    removeUsed.run(nowMs, limit)
    const purged = removeEntries.all(nowMs, limit)
    if (purged.length > 0) notePurged.run(purged.reduce((highest, { seq }) => Math.max(highest, Number(seq)), 0))
  }
}
