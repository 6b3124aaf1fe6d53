import type { DatabaseSync } from 'node:sqlite'
import type { SessionData } from '../../lib/own-data.ts'
import { strengthen, type Strength, type Authentication } from '../../lib/session/authentication.ts'
import { encodeData } from '../../lib/session/data.ts'
import type { ProviderProof } from '../../lib/session/provider-session.ts'
import { openFamily, receive, rotate, type RotationWindows, type TokenFamily } from '../../lib/session/rotation.ts'
import { subjectKeyOf } from '../../lib/revocation/revocation-keys.ts'
import { isOfOtherOrigin, type SessionRecord } from '../../lib/session/record.ts'
import { createSid } from '../../lib/session/sid.ts'
import type { OpenSession, RotateOptions, Rotation, DeviceBinding, DeviceRenewal } from '../store.ts'
import { isLive } from './is-live.ts'
import { instant, logKeptMs, type Log } from './log.ts'
import { toRecord, toSessionRow, type RecordRow, toFamilyRow } from './rows.ts'
import { countRefresh, type Counted, type RefreshCount, type RefreshLimit } from '../../lib/session/refresh-count.ts'

/* The operations that change the record of a session, from its opening over its rotations to its end. */

type ReadLive = (sid: string, nowMs: number) => SessionRecord | null

export function createReadLive (db: DatabaseSync): ReadLive {
  const select = db.prepare(`SELECT * FROM sessions WHERE sid = :sid AND ${isLive}`)
  return (sid, nowMs) => {
    const row = select.get({ sid, nowMs })
    return row === undefined ? null : toRecord(row as unknown as RecordRow)
  }
}

/** Creates the operations that open, use, renew and close a session. Each runs inside a transaction. */
export function createSessionOperations (db: DatabaseSync, log: Log) {
  const readLive = createReadLive(db)
  const makeRecord = createMakeRecord(db)
  const removeDead = db.prepare(`DELETE FROM sessions WHERE subject_key = :subjectKey AND NOT (${isLive})`)
  const oldestFirst = db.prepare('SELECT sid FROM sessions WHERE subject_key = ? ORDER BY created_at_ms, sid')
  const remove = db.prepare('DELETE FROM sessions WHERE sid = ?')
  const markUsed = db.prepare(`
    UPDATE sessions SET last_used_at_ms = :usedAtMs
    WHERE sid = :sid AND ${isLive} AND last_used_at_ms < :usedAtMs AND :usedAtMs - last_used_at_ms < :idleTimeoutMs`)
  const replaceSecret = db.prepare('UPDATE sessions SET secret_hash = :secretHash, auth_time_ms = :authTimeMs, acr = :acr, amr = :amr WHERE sid = :sid')
  const writeData = db.prepare('UPDATE sessions SET data = :data WHERE sid = :sid')

  return {
    open (nowMs: number, session: OpenSession & Partial<ProviderProof>): { record: SessionRecord, closed: string[] } {
      const { subject, maxPerSubject, maxTokenAgeMs } = session
      const subjectKey = subjectKeyOf(subject)
      removeDead.run({ subjectKey, nowMs })
      const others = oldestFirst.all(subjectKey).map(row => String(row['sid']))
      const closed = others.slice(0, Math.max(0, others.length + 1 - Math.max(1, maxPerSubject)))
      for (const sid of closed) {
        remove.run(sid)
        log.revokeSid(nowMs, sid, maxTokenAgeMs)
      }
      return { record: makeRecord(nowMs, session), closed }
    },

    touch (nowMs: number, uses: ReadonlyArray<{ sid: string, agoMs: number }>, idleTimeoutMs: number): void {
      for (const { sid, agoMs } of uses) {
        markUsed.run({ sid, nowMs, idleTimeoutMs, usedAtMs: Math.floor(nowMs - Math.max(0, agoMs)) })
      }
    },

    renew (nowMs: number, sid: string, { secretHash, ...fresh }: { secretHash: string } & Strength): SessionRecord | null {
      const record = readLive(sid, nowMs)
      if (record?.mode !== 'session') return null
      const authentication = strengthen(record, fresh, nowMs)
      replaceSecret.run({ sid, secretHash, ...authentication, amr: JSON.stringify(authentication.amr) })
      log.append(nowMs, { kind: 'changed', sid })
      return { ...record, secretHash, ...authentication }
    },

    replaceData (nowMs: number, sid: string, data: SessionData): SessionRecord | null {
      const record = readLive(sid, nowMs)
      if (record === null) return null
      writeData.run({ sid, data: encodeData(data) })
      log.append(nowMs, { kind: 'changed', sid })
      return { ...record, data }
    },

    close (nowMs: number, sid: string, maxTokenAgeMs: number, origin: string | null): SessionRecord | null {
      const record = readLive(sid, nowMs)
      if (record !== null && isOfOtherOrigin(record, origin)) return record
      remove.run(sid)
      log.revokeSid(nowMs, sid, maxTokenAgeMs)
      return record
    }
  }
}

function createMakeRecord (db: DatabaseSync): (nowMs: number, session: OpenSession & Partial<ProviderProof>) => SessionRecord {
  const currentEpoch = db.prepare('SELECT max(floor_epoch, coalesce((SELECT epoch FROM subjects WHERE subject_key = ?), 0)) AS epoch FROM state')
  // A subject's epoch may be removed only when no session carries it any more.
  const keepSubject = db.prepare('UPDATE subjects SET purge_at_ms = max(purge_at_ms, :purgeAtMs) WHERE subject_key = :subjectKey')
  const columns = `sid, subject, subject_key, username, mode, epoch, secret_hash, created_at_ms, auth_time_ms, last_used_at_ms, expires_at_ms, acr, amr, scopes,
    audiences, user_agent, ip, generation, received, rotated_at_ms, hold_until_ms, closed, origin, step_up, data, provider`
  const insert = db.prepare(`INSERT INTO sessions (${columns}) VALUES (${columns.replaceAll(/\w+/g, name => `:${name}`)})`)

  return (nowMs, { subject, username, mode, secretHash, acr, amr, scopes, audiences, client, origin, absoluteTimeoutMs, data = {}, provider = null, authTimeMs = nowMs }) => {
    const record: SessionRecord = {
      sid: createSid(subject),
      subject,
      username,
      mode,
      epoch: Number(currentEpoch.get(subjectKeyOf(subject))?.['epoch']),
      secretHash,
      createdAtMs: nowMs,
      authTimeMs: Math.min(authTimeMs, nowMs),
      lastUsedAtMs: nowMs,
      expiresAtMs: instant(nowMs + absoluteTimeoutMs),
      acr,
      amr,
      scopes,
      audiences,
      client: { userAgent: client.userAgent, ip: client.ip },
      origin,
      family: mode === 'tokens' ? openFamily(nowMs) : null,
      device: null,
      data,
      provider
    }
    keepSubject.run({ subjectKey: subjectKeyOf(subject), purgeAtMs: record.expiresAtMs + logKeptMs })
    insert.run({ ...toSessionRow(record) })
    return record
  }
}

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

/** Creates the operations that bind a session to a device and record proofs of its key. Each runs inside a transaction. */
export function createDeviceOperations (db: DatabaseSync, log: Log) {
  const readLive = createReadLive(db)
  const bind = db.prepare('UPDATE sessions SET device_key = :publicKey, device_bound_at_ms = :nowMs, device_renewals = 0 WHERE sid = :sid')
  const renew = db.prepare('UPDATE sessions SET device_renewals = device_renewals + 1 WHERE sid = ?')

  return {
    bindDevice (nowMs: number, sid: string, { publicKey }: { publicKey: string }): DeviceBinding | null {
      const record = readLive(sid, nowMs)
      if (record?.mode !== 'session') return null
      if (record.device !== null) return { outcome: record.device.publicKey === publicKey ? 'already' : 'refused', record }
      bind.run({ sid, nowMs, publicKey })
      log.append(nowMs, { kind: 'changed', sid })
      return { outcome: 'bound', record: { ...record, device: { publicKey, boundAtMs: nowMs, renewals: 0 } } }
    },

    renewDevice (nowMs: number, sid: string, renewals: number): DeviceRenewal | null {
      const record = readLive(sid, nowMs)
      if (record === null || record.device === null) return null
      if (record.device.renewals !== renewals) return { outcome: 'used', record }
      renew.run(sid)
      if (renewals === 0) log.append(nowMs, { kind: 'changed', sid })
      return { outcome: 'renewed', record: { ...record, device: { ...record.device, renewals: renewals + 1 } } }
    }
  }
}
