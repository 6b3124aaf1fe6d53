import type { Redis } from 'ioredis'
import type { LogEntry, Pull, Revocation, Snapshot, Store } from '../store.ts'
import { unavailable, within } from './deadline.ts'
import type { Keys, Shard } from './keys.ts'
import type { Reply, Scripts } from './scripts.ts'

type Log = Pick<Store, 'snapshot' | 'pull'>

export interface LogOptions {
  redis: Redis
  timeoutMs: number
  scripts: Scripts
  keys: Keys
}

const entriesPerPull = 1000

/** A position is the id of the last entry seen in each shard's log, in the order of the shards. */
export function createLog (options: LogOptions): Log {
  const { keys, scripts } = options
  return {
    async snapshot () {
      const parts = await Promise.all(keys.shards.map(shard => snapshotShard(options, shard)))
      return { position: parts.map(part => part.position).join(), revocations: parts.flatMap(part => part.revocations) }
    },

    async pull (position) {
      const ids = position.split(',')
      const parts = await Promise.all(keys.shards.map((shard, i) => pullShard(scripts, shard, ids[i] ?? '')))
      if (ids.length !== parts.length || parts.some(part => part.gap)) return { position, entries: [], gap: true }
      return { position: parts.map(part => part.position).join(), entries: parts.flatMap(part => part.entries), gap: false }
    }
  }
}

async function snapshotShard ({ redis, timeoutMs, scripts }: LogOptions, shard: Shard): Promise<Snapshot> {
  // A scan names everything that is there from its start to its end, but only on one server: a failover in between spoils it.
  let interrupted = false
  const onClose = (): void => { interrupted = true }
  redis.once('close', onClose)
  try {
    // The position first: what changes during the scan comes after it in the log.
    const [position, nowMs] = await scripts.run('snapshot', shard)
    const found = new Map<string, Revocation>()
    for (let cursor = '0', first = true; first || cursor !== '0'; first = false) {
      const [next, members] = await within(redis.zscan(shard.revocations, cursor, 'COUNT', entriesPerPull), timeoutMs)
      collect(members, Number(nowMs), found)
      cursor = next
    }
    if (interrupted) throw unavailable(new Error('the connection was lost while the revocations were read'))
    return { position: String(position), revocations: [...found.values()] }
  } finally {
    redis.off('close', onClose)
  }
}

function collect (members: string[], nowMs: number, found: Map<string, Revocation>): void {
  for (let i = 0; i < members.length; i += 2) {
    const text = members[i] as string
    const expiresAtMs = Number(members[i + 1])
    if (expiresAtMs > nowMs) found.set(text, decodeEntry(text, expiresAtMs) as Revocation)
  }
}

async function pullShard (scripts: Scripts, shard: Shard, position: string): Promise<Pull> {
  const isKnown = /^\d{1,15}-\d+$/.test(position)
  const entries: LogEntry[] = []
  let last = isKnown ? position : '0-0'
  for (;;) {
    const [connected, page] = await scripts.run('pull', shard, [shard.beat], [last, entriesPerPull])
    if (!isKnown || connected !== 1) return { position, entries: [], gap: true }
    for (const [id, fields] of page as Array<[string, Reply[]]>) {
      last = id
      entries.push(decodeEntry(String(fields[1]), Number(fields[3])))
    }
    if ((page as Reply[]).length < entriesPerPull) return { position: last, entries, gap: false }
  }
}

function decodeEntry (text: string, expiresAtMs: number): LogEntry {
  const [kind, first, second, third] = JSON.parse(text) as [LogEntry['kind'], string, string & number, string | null]
  switch (kind) {
    case 'sid': return { kind, sid: first, expiresAtMs }
    case 'jti': return { kind, issuer: first, jti: second, expiresAtMs }
    case 'subject': return { kind, subject: first, belowEpoch: second, exceptSid: third, expiresAtMs }
    case 'all': return { kind, belowEpoch: Number(first), expiresAtMs }
    case 'changed': return { kind, sid: first }
    case 'keys': return { kind }
  }
}
