import type { DatabaseSync } from 'node:sqlite'
import { cutInstantOf, type CutInstant } from '../../lib/revocation/cut-instant.ts'
import { subjectKeyOf } from '../../lib/revocation/revocation-keys.ts'

/** Creates the read of the last cut of a subject or of everybody. */
export function createReadCutInstant (db: DatabaseSync): (subject: string, nowMs: number) => number | null {
  const select = db.prepare(`
    SELECT floor_epoch AS epoch, cut_epoch AS cutEpoch, cut_at_ms AS cutAtMs FROM state
    UNION ALL SELECT epoch, cut_epoch, cut_at_ms FROM subjects WHERE subject_key = ?`)

  return (subject, nowMs) => {
    const cuts = select.all(subjectKeyOf(subject)).map(row => cutInstantOf(row as unknown as CutInstant, nowMs)).filter(cut => cut !== null)
    return cuts.length === 0 ? null : Math.max(...cuts)
  }
}

/** Creates the writes of the instant that belongs to the present epoch of a subject or of everybody. */
export function createNoteCut (db: DatabaseSync): { ofSubject: (subjectKey: string, atMs: number, keepUntilMs: number) => void, ofAll: (atMs: number) => void } {
  const subject = db.prepare('UPDATE subjects SET cut_epoch = epoch, cut_at_ms = :atMs, purge_at_ms = max(purge_at_ms, :keepUntilMs) WHERE subject_key = :subjectKey')
  const all = db.prepare('UPDATE state SET cut_epoch = floor_epoch, cut_at_ms = ?')
  return {
    ofSubject: (subjectKey, atMs, keepUntilMs) => { subject.run({ subjectKey, atMs, keepUntilMs }) },
    ofAll: atMs => { all.run(atMs) }
  }
}
