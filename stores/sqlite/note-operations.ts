import type { DatabaseSync } from 'node:sqlite'
import { mostNotes } from '../../lib/notes.ts'

/** Creates the operation that changes the notes that processes leave for each other. */
export function createNoteOperations (db: DatabaseSync) {
  const removeExpired = db.prepare('DELETE FROM notes WHERE expires_at_ms <= ?')
  const write = db.prepare(`
    INSERT INTO notes (topic, name, text, at_ms, expires_at_ms) VALUES (:topic, :name, :text, :nowMs, :expiresAtMs)
    ON CONFLICT (topic, name) DO UPDATE SET text = excluded.text, at_ms = excluded.at_ms, expires_at_ms = excluded.expires_at_ms`)
  const removeSurplus = db.prepare(`
    DELETE FROM notes WHERE topic = :topic AND name IN (
      SELECT name FROM notes WHERE topic = :topic AND name <> :name ORDER BY at_ms DESC, name DESC LIMIT -1 OFFSET ${mostNotes - 1})`)

  return {
    putNote (nowMs: number, topic: string, name: string, text: string, keepForMs: number): void {
      removeExpired.run(nowMs)
      write.run({ topic, name, text, nowMs, expiresAtMs: nowMs + keepForMs })
      removeSurplus.run({ topic, name })
    }
  }
}
