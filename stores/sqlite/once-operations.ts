import type { DatabaseSync } from 'node:sqlite'

/** Creates the operation that lets a name be used once. A batch of writes removes the names whose time has passed. */
export function createOnceOperations (db: DatabaseSync) {
  const use = db.prepare(`
    INSERT INTO used (name, expires_at_ms) VALUES (:name, :expiresAtMs)
    ON CONFLICT (name) DO UPDATE SET expires_at_ms = excluded.expires_at_ms WHERE used.expires_at_ms <= :nowMs`)

  return {
    useOnce: (nowMs: number, name: string, keepForMs: number): boolean => use.run({ name, nowMs, expiresAtMs: nowMs + keepForMs }).changes === 1
  }
}
