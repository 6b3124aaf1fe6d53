import { deviceName } from '../../lib/http/user-agent.ts'
import type { Identity } from '../../lib/identity.ts'
import { ago, inWords } from './instants.ts'
import { lastUseOnGrid, seconds, type SessionRecord } from '../../lib/session/record.ts'
import type { Portcullis } from '../../plugins/portcullis.ts'

/** A session as the account page shows it. */
export interface DescribedSession {
  sid: string
  username: string
  device: string
  ip: string
  /** The time in words, and the ISO 8601 text of it. */
  signedIn: Told
  lastUse: Told
  /** The instant at which the session was bound to a device key; null for an unbound session. */
  bound: Told | null
  /** Name of the identity provider at which the session began; null for a sign-in here. */
  provider: string | null
}

interface Told { words: string, iso: string }

/** Returns the subject's sessions: that of the request, and the others, the most recently used first. */
export async function describeSessions ({ subject, sid }: Identity, { session, store }: Portcullis): Promise<{ current: DescribedSession | null, others: DescribedSession[] }> {
  const nowSeconds = seconds(store.nowMs())
  const records = await session.list(subject)
  const described = records.map(record => describeSession(record, session, nowSeconds))
  // The order uses the displayed time, so that it reveals no finer one.
  described.sort((a, b) => b.lastUse.iso.localeCompare(a.lastUse.iso))
  return { current: described.find(other => other.sid === sid) ?? null, others: described.filter(other => other.sid !== sid) }
}

function describeSession (record: SessionRecord, { view, idleTimeoutMs }: Portcullis['session'], nowSeconds: number): DescribedSession {
  const { sid, client, created_at: createdAt, device, provider } = view(record)
  const lastUsedAt = seconds(lastUseOnGrid(record, idleTimeoutMs))
  return {
    sid,
    username: record.username,
    device: deviceName(client.user_agent),
    ip: client.ip,
    signedIn: told(createdAt, inWords(createdAt)),
    lastUse: told(lastUsedAt, ago(nowSeconds - lastUsedAt)),
    bound: device === null ? null : told(device.bound_at, inWords(device.bound_at)),
    provider: provider?.name ?? null
  }
}

function told (instant: number, words: string): Told {
  return { words, iso: new Date(instant * 1000).toISOString() }
}
