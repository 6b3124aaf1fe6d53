import type { LogEntry, Revocation } from '../../lib/revocation/entries.ts'
import type { Pull, Store, TakePage } from '../store.ts'
import type { RedisClient } from './client.ts'
import type { Keys, Shard } from './keys.ts'
import type { Reply, Scripts } from './scripts.ts'

type Log = Pick<Store, 'snapshot' | 'pull'>

export interface LogOptions {
  redis: RedisClient
  timeoutMs: number
  scripts: Scripts
  keys: Keys
}

const entriesPerPull = 1000
const revocationsPerPage = 5000

/** Creates the log. A position is the id of the last entry seen in each shard's log, in the order of the shards. */
export function createLog ({ keys, scripts }: LogOptions): Log {
  return {
    async snapshot (take) {
      const positions = await Promise.all(keys.shards.map(shard => snapshotShard(scripts, shard, take)))
      return positions.join()
    },

    async pull (position) {
      const ids = position.split(',')
      const parts = await Promise.all(keys.shards.map((shard, i) => pullShard(scripts, shard, ids[i] ?? '')))
      if (ids.length !== parts.length || parts.some(part => part.gap)) return { position, entries: [], gap: true }
      return { position: parts.map(part => part.position).join(), entries: parts.flatMap(part => part.entries), gap: false }
    }
  }
}

/**
 * Reads the revocations page by page from the latest expiry downwards; each page begins with the score at which the previous one
 * ended. No revocation is missed when entries are added or removed meanwhile, or another server answers: new entries follow the
 * position. The next page is requested while one is decoded.
 */
async function snapshotShard (scripts: Scripts, shard: Shard, take: TakePage): Promise<string> {
  const [position, nowMs] = await scripts.run('snapshot', shard)
  async function read (from: string, count: number): Promise<string[]> {
    const [text] = await scripts.run('snapshot-page', shard, [], [from, `(${String(nowMs)}`, count])
    return text === '' ? [] : String(text).split('\n')
  }
  // The entries with the score that the next page begins with; that page repeats them.
  let seen = new Set<string>()
  let [from, count] = ['+inf', revocationsPerPage]
  for (let page: Promise<string[]> | null = read(from, count); page !== null;) {
    const members: string[] = await page
    const last = members.at(-1) ?? from
    const isLast = members.length < 2 * count
    // Many revocations may expire in the same millisecond: a page within one millisecond is followed by a longer one.
    count = last === from ? count * 2 : revocationsPerPage
    page = isLast ? null : read(last, count)
    // The promise is awaited in the next turn; until then no handler is attached.
    page?.catch(() => {})
    const ofLast: string[] = []
    const revocations: Revocation[] = []
    for (let i = 0; i < members.length; i += 2) {
      const [text, score] = [members[i] as string, members[i + 1] as string]
      if (score === last) ofLast.push(text)
      if (score !== from || !seen.has(text)) revocations.push(decodeEntry(text, Number(score)) as Revocation)
    }
    seen = new Set(ofLast)
    from = last
    await take(revocations)
  }
  return String(position)
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

/** Matches the end of a session, by far the most common entry. A script writes it without escapes. */
const sidEntry = /^\["sid","([\w-]{22})"\]$/

function decodeEntry (text: string, expiresAtMs: number): LogEntry {
  const sid = sidEntry.exec(text)?.[1]
  if (sid !== undefined) return { kind: 'sid', sid, expiresAtMs }
  const [kind, first, second, third] = JSON.parse(text) as [LogEntry['kind'], string, string & number, string | null]
  switch (kind) {
    case 'sid': return { kind, sid: first, expiresAtMs }
    case 'jti': return { kind, tokenKey: first, expiresAtMs }
    case 'subject': return { kind, subjectKey: first, belowEpoch: second, exceptSid: third, expiresAtMs }
    case 'all': return { kind, belowEpoch: Number(first), expiresAtMs }
    case 'changed': return { kind, sid: first }
    case 'keys': return { kind }
  }
}
