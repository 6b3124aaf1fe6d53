import { setImmediate as nextTurn } from 'node:timers/promises'
import type { DatabaseSync } from 'node:sqlite'
import { subjectKeyOf, tokenKeyOf } from '../../lib/revocation/revocation-keys.ts'
import type { Note } from '../../lib/notes.ts'
import type { CredentialClaims, Revocation } from '../../lib/revocation/entries.ts'
import type { SessionRecord } from '../../lib/session/record.ts'
import type { KeyDocument, Pull, TakePage } from '../store.ts'
import { toLogEntry, toRecord, toRevocation, type LogRow, type RecordRow } from './rows.ts'
import { createReadLive, isLive } from './session-operations.ts'

const snapshotPage = 5000

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

function createLogReads (db: DatabaseSync) {
  const selectState = db.prepare("SELECT purged_through AS purgedThrough, coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'log'), 0) AS head FROM state")
  const selectAfter = db.prepare('SELECT * FROM log WHERE seq > ? ORDER BY seq')
  const selectInForce = db.prepare('SELECT * FROM log WHERE seq > ? AND seq <= ? AND expires_at_ms > ? ORDER BY seq LIMIT ?')
  const readState = () => selectState.get() as { purgedThrough: number, head: number }

  return {
    /** Returns the number of the newest entry ever written. */
    head: () => readState().head,

    /** Pages need no common transaction: an entry that is replaced between two of them appears again after the position. */
    async snapshot (nowMs: number, take: TakePage): Promise<string> {
      const { head } = readState()
      for (let seq = 0; ;) {
        const page = selectInForce.all(seq, head, nowMs, snapshotPage) as unknown as LogRow[]
        await take(page.map(row => toRevocation(row.kind as Revocation['kind'], row)))
        if (page.length < snapshotPage) return String(head)
        seq = page.at(-1)?.seq ?? head
        await nextTurn()
      }
    },

    /**
     * Reads the entries after a position. A successful read proves that the store is reachable: there is one local file, and no
     * primary to be cut off from. The state is read after the entries, so entries that another process purges in between appear as
     * a gap.
     */
    pull (position: string): Pull {
      const after = /^\d{1,16}$/.test(position) ? Number(position) : Infinity
      const rows = after === Infinity ? [] : selectAfter.all(after) as unknown as LogRow[]
      const { purgedThrough, head } = readState()
      if (after > head || after < purgedThrough) return { position: String(head), entries: [], gap: true }
      return { position: String(rows.at(-1)?.seq ?? after), entries: rows.map(toLogEntry), gap: false }
    }
  }
}
