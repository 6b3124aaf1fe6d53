import type { DatabaseSync } from 'node:sqlite'
import type { DeviceBinding, DeviceRenewal } from '../store.ts'
import type { Log } from './log.ts'
import { createReadLive } from './session-operations.ts'

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
