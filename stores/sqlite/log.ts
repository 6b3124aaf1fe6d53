import { setImmediate as nextTurn } from 'node:timers/promises'
import type { DatabaseSync } from 'node:sqlite'
import type { LogEntry, Revocation } from '../../lib/revocation/entries.ts'
import type { Pull, TakePage } from '../store.ts'
import { toLogEntry, toRevocation, type LogRow } from './rows.ts'

/* The revocation log in the database: how it is written, read, and watched for growth. */

const snapshotPage = 5000
const pollMs = 10

/** The minimum time that an entry stays in the log, in milliseconds, so that a follower that is merely late never meets a gap. */
export const logKeptMs = 3_600_000

export interface Log {
  append: (nowMs: number, entry: LogEntry) => void
  /** Logs a `sid` as revoked, unless it is logged already. */
  revokeSid: (nowMs: number, sid: string, maxTokenAgeMs: number) => void
}

/** Creates the writing side of the log. An entry is part of the transaction that it reports. */
export function createLog (db: DatabaseSync): Log {
  const insert = db.prepare(`
    INSERT INTO log (kind, sid, token_key, subject_key, below_epoch, except_sid, expires_at_ms, purge_at_ms)
    VALUES (:kind, :sid, :tokenKey, :subjectKey, :belowEpoch, :exceptSid, :expiresAtMs, :purgeAtMs)`)
  const isRevoked = db.prepare("SELECT 1 FROM log WHERE kind = 'sid' AND sid = ? AND expires_at_ms > ?")
  const removeSid = db.prepare("DELETE FROM log WHERE kind = 'sid' AND sid = ?")
  const nothing = { sid: null, tokenKey: null, subjectKey: null, belowEpoch: null, exceptSid: null, expiresAtMs: null }

  function append (nowMs: number, entry: LogEntry): void {
    const expiresAtMs = 'expiresAtMs' in entry ? entry.expiresAtMs : 0
    insert.run({ ...nothing, ...entry, purgeAtMs: Math.max(expiresAtMs, nowMs + logKeptMs) })
  }

  function revokeSid (nowMs: number, sid: string, maxTokenAgeMs: number): void {
    if (isRevoked.get(sid, nowMs) !== undefined) return
    removeSid.run(sid)
    append(nowMs, { kind: 'sid', sid, expiresAtMs: instant(nowMs + maxTokenAgeMs) })
  }

  return { append, revokeSid }
}

/** Returns a time as the database stores it: whole milliseconds, rounded up. */
export function instant (ms: number): number {
  return Math.min(Math.ceil(ms), Number.MAX_SAFE_INTEGER)
}

/** Creates the reading side of the log. */
export function createLogReads (db: DatabaseSync) {
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

interface Growth {
  /** Checks whether the log has grown, and if so calls the listeners. */
  check: () => void
  subscribe: (listener: () => void) => () => void
  stop: () => void
}

/** Notifies listeners of new entries of the log; polling detects those of other processes. A check takes a few microseconds. */
export function watchGrowth (readHead: () => number): Growth {
  const listeners = new Set<() => void>()
  let timer: NodeJS.Timeout | null = null
  let seen = 0

  function check (): void {
    if (listeners.size === 0) return
    const head = tryRead(readHead)
    if (head === null || head === seen) return
    seen = head
    for (const listener of listeners) listener()
  }

  function stop (): void {
    if (timer !== null) clearInterval(timer)
    timer = null
  }

  function subscribe (listener: () => void): () => void {
    const own = () => listener()
    listeners.add(own)
    if (timer === null) {
      seen = tryRead(readHead) ?? 0
      timer = setInterval(check, pollMs).unref()
    }
    return () => {
      listeners.delete(own)
      if (listeners.size === 0) stop()
    }
  }

  return { check, subscribe, stop }
}

/** Returns null when the read fails. The next check repeats it, and pull reports the failure to its caller. */
function tryRead (readHead: () => number): number | null {
  try {
    return readHead()
  } catch {
    return null
  }
}
