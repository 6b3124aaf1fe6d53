import type { DatabaseSync } from 'node:sqlite'
import { receive, rotate, type RotationWindows, type TokenFamily } from '../../lib/rotation.ts'
import type { RotateOptions, Rotation } from '../store.ts'
import type { Log } from './log.ts'
import { toFamilyRow } from './rows.ts'
import { createReadLive } from './session-operations.ts'

/** lib/rotation.ts applied to a record, to be run inside a transaction. */
export function createFamilyOperations (db: DatabaseSync, log: Log) {
  const readLive = createReadLive(db)
  const remove = db.prepare('DELETE FROM sessions WHERE sid = ?')
  const write = db.prepare(`
    UPDATE sessions SET generation = :generation, received = :received, rotated_at_ms = :rotated_at_ms, hold_until_ms = :hold_until_ms,
      closed = :closed, last_used_at_ms = :lastUsedAtMs
    WHERE sid = :sid`)
  const authenticate = db.prepare('UPDATE sessions SET auth_time_ms = :nowMs, acr = :acr, amr = :amr WHERE sid = :sid')

  function update (sid: string, family: TokenFamily, lastUsedAtMs: number): void {
    write.run({ sid, lastUsedAtMs, ...toFamilyRow(family) })
  }

  return {
    rotate (nowMs: number, sid: string, generation: number, options: RotateOptions): Rotation {
      const record = readLive(sid, nowMs)
      if (record === null || record.family === null) return { outcome: 'unknown', record: null }
      if (nowMs - record.lastUsedAtMs >= options.idleTimeoutMs) return { outcome: 'expired', record }

      const { outcome, family } = rotate(record.family, generation, nowMs, options)
      if (family === null) {
        remove.run(sid)
        log.revokeSid(nowMs, sid, options.maxTokenAgeMs)
        return { outcome, record }
      }
      const lastUsedAtMs = Math.max(record.lastUsedAtMs, nowMs)
      update(sid, family, lastUsedAtMs)
      const { fresh } = options
      if (fresh === undefined) return { outcome, record: { ...record, family, lastUsedAtMs } }
      authenticate.run({ sid, nowMs, acr: fresh.acr, amr: JSON.stringify(fresh.amr) })
      return { outcome, record: { ...record, ...fresh, authTimeMs: nowMs, family, lastUsedAtMs } }
    },

    noteReceived (nowMs: number, sid: string, generation: number, windows: RotationWindows): void {
      const record = readLive(sid, nowMs)
      if (record === null || record.family === null) return
      const family = receive(record.family, generation, nowMs, windows)
      if (family !== record.family) update(sid, family, record.lastUsedAtMs)
    }
  }
}
