import type { DatabaseSync } from 'node:sqlite'
import type { Authentication } from '../../lib/session/authentication.ts'
import { countRefresh, type Counted, type RefreshCount, type RefreshLimit } from '../../lib/session/refresh-count.ts'
import { receive, rotate, type RotationWindows, type TokenFamily } from '../../lib/session/rotation.ts'
import { isOfOtherOrigin } from '../../lib/session/record.ts'
import type { RotateOptions, Rotation } from '../store.ts'
import type { Log } from './log.ts'
import { toFamilyRow } from './rows.ts'
import { createReadLive } from './session-operations.ts'

/** Applies lib/session/rotation.ts to a record. Each operation runs inside a transaction. */
export function createFamilyOperations (db: DatabaseSync, log: Log) {
  const readLive = createReadLive(db)
  const remove = db.prepare('DELETE FROM sessions WHERE sid = ?')
  const write = db.prepare(`
    UPDATE sessions SET generation = :generation, received = :received, rotated_at_ms = :rotated_at_ms, hold_until_ms = :hold_until_ms,
      closed = :closed, step_up = :step_up, last_used_at_ms = :lastUsedAtMs
    WHERE sid = :sid`)
  const authenticate = db.prepare('UPDATE sessions SET auth_time_ms = :authTimeMs, acr = :acr, amr = :amr WHERE sid = :sid')
  const readCount = db.prepare('SELECT refreshes AS count, refreshes_until_ms AS endsAtMs FROM sessions WHERE sid = ?')
  const writeCount = db.prepare('UPDATE sessions SET refreshes = :count, refreshes_until_ms = :endsAtMs WHERE sid = :sid')

  function count (nowMs: number, sid: string, limit: RefreshLimit): Counted {
    const known = readCount.get(sid) as unknown as RefreshCount
    const { count, endsAtMs } = countRefresh(known, nowMs, limit)
    // A client that continues over the limit must not cause a write for each attempt.
    if (count !== known.count || endsAtMs !== known.endsAtMs) writeCount.run({ sid, count, endsAtMs })
    return { count, leftMs: endsAtMs - nowMs }
  }

  function update (sid: string, family: TokenFamily, lastUsedAtMs: number): void {
    write.run({ sid, lastUsedAtMs, ...toFamilyRow(family) })
  }

  return {
    rotate (nowMs: number, sid: string, generation: number, options: RotateOptions): Rotation {
      const record = readLive(sid, nowMs)
      if (record === null || record.family === null || isOfOtherOrigin(record, options.origin)) return { outcome: 'unknown', record: null, granted: null, counted: null }
      if (nowMs - record.lastUsedAtMs >= options.idleTimeoutMs) return { outcome: 'expired', record, granted: null, counted: null }
      const { fresh, limit } = options
      const counted = limit === undefined ? null : count(nowMs, sid, limit)
      if (counted !== null && counted.count > limit!.max) return { outcome: 'limited', record, granted: null, counted }

      const known: Authentication = { authTimeMs: record.authTimeMs, acr: record.acr, amr: record.amr }
      const presented = { generation, authentication: known, ...fresh === undefined ? {} : { fresh } }
      const transition = rotate(record.family, presented, nowMs, options)
      if (transition.family === null) {
        remove.run(sid)
        log.revokeSid(nowMs, sid, options.maxTokenAgeMs)
        return { outcome: transition.outcome, record, granted: null, counted: null }
      }
      const { outcome, family, authentication, granted } = transition
      const lastUsedAtMs = Math.max(record.lastUsedAtMs, nowMs)
      update(sid, family, lastUsedAtMs)
      if (authentication !== known) authenticate.run({ sid, ...authentication, amr: JSON.stringify(authentication.amr) })
      return { outcome, record: { ...record, ...authentication, family, lastUsedAtMs }, granted, counted }
    },

    noteReceived (nowMs: number, sid: string, generation: number, windows: RotationWindows): void {
      const record = readLive(sid, nowMs)
      if (record === null || record.family === null) return
      const family = receive(record.family, generation, nowMs, windows)
      if (family !== record.family) update(sid, family, record.lastUsedAtMs)
    }
  }
}
