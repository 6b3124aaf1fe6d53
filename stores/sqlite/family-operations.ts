import type { DatabaseSync } from 'node:sqlite'
import { countRefresh, type Counted, type RefreshCount, type RefreshLimit } from '../../lib/refresh-count.ts'
import { receive, rotate, type RotationWindows, type TokenFamily } from '../../lib/rotation.ts'
import { isOfOtherOrigin } from '../../lib/session-origin.ts'
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
  const readCount = db.prepare('SELECT refreshes AS count, refreshes_until_ms AS endsAtMs FROM sessions WHERE sid = ?')
  const writeCount = db.prepare('UPDATE sessions SET refreshes = :count, refreshes_until_ms = :endsAtMs WHERE sid = :sid')

  function count (nowMs: number, sid: string, limit: RefreshLimit): Counted {
    const known = readCount.get(sid) as unknown as RefreshCount
    const { count, endsAtMs } = countRefresh(known, nowMs, limit)
    // Whoever goes on over the limit is not to make the disk work for it.
    if (count !== known.count || endsAtMs !== known.endsAtMs) writeCount.run({ sid, count, endsAtMs })
    return { count, leftMs: endsAtMs - nowMs }
  }

  function update (sid: string, family: TokenFamily, lastUsedAtMs: number): void {
    write.run({ sid, lastUsedAtMs, ...toFamilyRow(family) })
  }

  return {
    rotate (nowMs: number, sid: string, generation: number, options: RotateOptions): Rotation {
      const record = readLive(sid, nowMs)
      if (record === null || record.family === null || isOfOtherOrigin(record, options.origin)) return { outcome: 'unknown', record: null, counted: null }
      if (nowMs - record.lastUsedAtMs >= options.idleTimeoutMs) return { outcome: 'expired', record, counted: null }
      const { fresh, limit } = options
      const counted = limit === undefined ? null : count(nowMs, sid, limit)
      if (counted !== null && counted.count > limit!.max) return { outcome: 'limited', record, counted }

      const { outcome, family } = rotate(record.family, generation, nowMs, options)
      if (family === null) {
        remove.run(sid)
        log.revokeSid(nowMs, sid, options.maxTokenAgeMs)
        return { outcome, record, counted: null }
      }
      const lastUsedAtMs = Math.max(record.lastUsedAtMs, nowMs)
      update(sid, family, lastUsedAtMs)
      if (fresh === undefined) return { outcome, record: { ...record, family, lastUsedAtMs }, counted }
      authenticate.run({ sid, nowMs, acr: fresh.acr, amr: JSON.stringify(fresh.amr) })
      return { outcome, record: { ...record, ...fresh, authTimeMs: nowMs, family, lastUsedAtMs }, counted }
    },

    noteReceived (nowMs: number, sid: string, generation: number, windows: RotationWindows): void {
      const record = readLive(sid, nowMs)
      if (record === null || record.family === null) return
      const family = receive(record.family, generation, nowMs, windows)
      if (family !== record.family) update(sid, family, record.lastUsedAtMs)
    }
  }
}
