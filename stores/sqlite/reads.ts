import type { DatabaseSync } from 'node:sqlite'
import { subjectKeyOf, tokenKeyOf } from '../../lib/revocation/revocation-keys.ts'
import type { Note } from '../../lib/notes.ts'
import type { CredentialClaims } from '../../lib/revocation/entries.ts'
import type { SessionRecord } from '../../lib/session/record.ts'
import type { KeyDocument } from '../store.ts'
import { createReadCutInstant } from './cut-instants.ts'
import { isLive } from './is-live.ts'
import { createLogReads } from './log.ts'
import { toRecord, type RecordRow } from './rows.ts'
import { createReadLive } from './session-operations.ts'

/** Creates all operations that only read. Each takes microseconds on the calling thread; a snapshot yields between its pages. */
export function createReads (db: DatabaseSync) {
  const select = db.prepare(`SELECT * FROM sessions WHERE subject_key = :subjectKey AND ${isLive} ORDER BY created_at_ms DESC, sid DESC`)
  const selectKeys = db.prepare('SELECT version, text FROM keys')
  const selectNotes = db.prepare('SELECT name, text, at_ms AS atMs FROM notes WHERE topic = ? AND expires_at_ms > ? ORDER BY name')

  return {
    read: createReadLive(db),

    list (subject: string, nowMs: number): SessionRecord[] {
      return select.all({ subjectKey: subjectKeyOf(subject), nowMs }).map(row => toRecord(row as unknown as RecordRow))
    },

    readKeys (): KeyDocument | null {
      const row = selectKeys.get()
      return row === undefined ? null : { version: Number(row['version']), text: String(row['text']) }
    },

    readNotes (topic: string, nowMs: number): Note[] {
      return selectNotes.all(topic, nowMs).map(({ name, text, atMs }) => ({ name: String(name), text: String(text), atMs: Number(atMs) }))
    },

    isGood: createIsGood(db),
    lastCutMs: createReadCutInstant(db),
    ...createLogReads(db)
  }
}

function createIsGood (db: DatabaseSync): (claims: CredentialClaims, nowMs: number) => boolean {
  const readRecord = db.prepare(`SELECT 1 FROM sessions WHERE sid = :sid AND ${isLive}`)
  const isRevoked = db.prepare("SELECT 1 FROM log WHERE kind = 'jti' AND token_key IN (?, ?) AND expires_at_ms > ?")
  const isCutOff = db.prepare(`
    SELECT 1 FROM state WHERE floor_epoch > :epoch
    UNION ALL SELECT 1 FROM subjects WHERE subject_key IS :subjectKey AND epoch > :epoch AND except_sid IS NOT coalesce(:sid, '')`)

  return ({ issuer, jti, sid, subject, epoch }, nowMs) => {
    if (sid !== null && readRecord.get({ sid, nowMs }) === undefined) return false
    if (jti !== null && isRevoked.get(tokenKeyOf(issuer ?? '', jti), tokenKeyOf('', jti), nowMs) !== undefined) return false
    return epoch === null || isCutOff.get({ epoch, subjectKey: subject === null ? null : subjectKeyOf(subject), sid }) === undefined
  }
}
