import { subjectKeyOf } from '../../lib/revocation-key.ts'
import type { TokenFamily } from '../../lib/rotation.ts'
import type { OpenSession, SessionMode, SessionRecord } from '../store.ts'
import type { Reply } from './scripts.ts'

/** The fields of a record that the gateway gives; instants, epoch and family are set by the script. */
export function encodeSession (session: OpenSession): string[] {
  const { subject, username, mode, secretHash, acr, amr, scopes, audiences, client } = session
  const fields = {
    subject,
    // Names its index, for whatever ends it.
    subjectKey: subjectKeyOf(subject),
    username,
    mode,
    ...secretHash === null ? {} : { secretHash },
    acr,
    amr: JSON.stringify(amr),
    scopes: JSON.stringify(scopes),
    audiences: JSON.stringify(audiences),
    userAgent: client.userAgent,
    ip: client.ip
  }
  return Object.entries(fields).flat()
}

/** A record from the fields of its hash; a field that comes twice has its last value. Null from no fields. */
export function decodeRecord (reply: Reply | undefined): SessionRecord | null {
  if (!Array.isArray(reply)) return null
  const fields = new Map<string, string>()
  for (let i = 0; i < reply.length; i += 2) fields.set(String(reply[i]), String(reply[i + 1]))
  const text = (name: string): string => fields.get(name) ?? ''
  const list = (name: string): string[] => JSON.parse(text(name)) as string[]
  return {
    sid: text('sid'),
    subject: text('subject'),
    username: text('username'),
    mode: text('mode') as SessionMode,
    epoch: Number(text('epoch')),
    secretHash: fields.get('secretHash') ?? null,
    createdAtMs: Number(text('createdAtMs')),
    authTimeMs: Number(text('authTimeMs')),
    lastUsedAtMs: Number(text('lastUsedAtMs')),
    expiresAtMs: Number(text('expiresAtMs')),
    acr: text('acr'),
    amr: list('amr'),
    scopes: list('scopes'),
    audiences: list('audiences'),
    client: { userAgent: text('userAgent'), ip: text('ip') },
    family: fields.has('generation') ? decodeFamily(text) : null
  }
}

function decodeFamily (text: (name: string) => string): TokenFamily {
  const closed = text('closed') === '' ? [] : text('closed').split(',')
  return {
    generation: Number(text('generation')),
    received: text('received') === '1',
    rotatedAtMs: Number(text('rotatedAtMs')),
    holdUntilMs: Number(text('holdUntilMs')),
    closed: closed.map(entry => entry.split(':').map(Number) as [number, number])
  }
}
