import { subjectKeyOf } from '../../lib/revocation/revocation-keys.ts'
import { createSid } from '../../lib/session/sid.ts'
import type { SessionRecord } from '../../lib/session/record.ts'
import type { DeviceBinding, DeviceRenewal, Rotation, Store } from '../store.ts'
import { indexName, sessionName, subjectName, type Keys, type Shard } from './keys.ts'
import { decodeAuthentication, decodeRecord, encodeSession } from './records.ts'
import type { Reply, Scripts } from './scripts.ts'

type Sessions = Pick<Store, 'open' | 'read' | 'touch' | 'rotate' | 'noteReceived' | 'renew' | 'bindDevice' | 'renewDevice' | 'replaceData' | 'close' | 'list'>

const touchesPerScript = 500

export function createSessions ({ run }: Scripts, keys: Keys): Sessions {
  const at = (sid: string): [shard: Shard, keys: string[]] => [keys.ofSid(sid), [sessionName(keys.ofSid(sid), sid)]]
  return {
    async open (session) {
      const { subject, absoluteTimeoutMs, maxPerSubject, maxTokenAgeMs } = session
      const sid = createSid(subject)
      const shard = keys.ofSubject(subject)
      const key = subjectKeyOf(subject)
      const names = [sessionName(shard, sid), subjectName(shard, key), indexName(shard, key)]
      const [fields, closed] = await run('open', shard, names, [sid, absoluteTimeoutMs, maxPerSubject, maxTokenAgeMs, ...encodeSession(session)])
      return { record: decodeRecord(fields) as SessionRecord, closed: closed as string[] }
    },

    async read (sid) {
      const [fields] = await run('read', ...at(sid))
      return decodeRecord(fields)
    },

    async touch (uses, { idleTimeoutMs }) {
      for (const [shard, ofShard] of Map.groupBy(uses, use => keys.ofSid(use.sid))) {
        for (let i = 0; i < ofShard.length; i += touchesPerScript) {
          const some = ofShard.slice(i, i + touchesPerScript)
          const agoMs = some.map(use => Math.round(use.agoMs))
          await run('touch', shard, some.map(use => sessionName(shard, use.sid)), [idleTimeoutMs, ...agoMs])
        }
      }
    },

    async rotate (sid, generation, { overlapMs, retryWindowMs, idleTimeoutMs, maxTokenAgeMs, origin = '', fresh, limit = { max: 0, windowMs: 0 } }) {
      const authenticated = fresh === undefined ? [] : [fresh.acr, JSON.stringify(fresh.amr)]
      const reply = await run('rotate', ...at(sid), [sid, generation, overlapMs, retryWindowMs, idleTimeoutMs, maxTokenAgeMs, limit.max, limit.windowMs, origin, ...authenticated])
      return decodeRotation(reply)
    },

    async noteReceived (sid, generation, { overlapMs, retryWindowMs }) {
      await run('note-received', ...at(sid), [generation, overlapMs, retryWindowMs])
    },

    async renew (sid, { secretHash, acr, amr }) {
      const [fields] = await run('renew', ...at(sid), [sid, secretHash, acr, JSON.stringify(amr)])
      return decodeRecord(fields)
    },

    async bindDevice (sid, { publicKey }) {
      return decodeOutcome(await run('bind-device', ...at(sid), [sid, publicKey])) as DeviceBinding | null
    },

    async renewDevice (sid, renewals) {
      return decodeOutcome(await run('renew-device', ...at(sid), [sid, renewals])) as DeviceRenewal | null
    },

    async replaceData (sid, data) {
      const [fields] = await run('replace-data', ...at(sid), [sid, JSON.stringify(data)])
      return decodeRecord(fields)
    },

    async close (sid, { maxTokenAgeMs, origin }) {
      const [fields] = await run('close', ...at(sid), [sid, maxTokenAgeMs, origin ?? ''])
      return decodeRecord(fields)
    },

    async list (subject) {
      const shard = keys.ofSubject(subject)
      const [records] = await run('list', shard, [indexName(shard, subjectKeyOf(subject))])
      return (records as string[][]).map(decodeRecord).filter(record => record !== null)
    }
  }
}

function decodeOutcome ([outcome, fields]: Reply[]): { outcome: unknown, record: SessionRecord } | null {
  const record = decodeRecord(fields)
  return record === null ? null : { outcome, record }
}

function decodeRotation ([outcome, fields, shown, count, leftMs]: Reply[]): Rotation {
  const record = decodeRecord(fields)
  const granted = Array.isArray(shown) ? decodeAuthentication(shown) : null
  const counted = typeof count === 'string' ? { count: Number(count), leftMs: Number(leftMs) } : null
  return (record === null ? { outcome: 'unknown', record, granted, counted: null } : { outcome, record, granted, counted }) as Rotation
}
