import type { Authentication } from '../../lib/session/authentication.ts'
import { decodeData, encodeData } from '../../lib/session/data.ts'
import { decodeProvider, encodeProvider, type ProviderSession } from '../../lib/session/provider-session.ts'
import { subjectKeyOf } from '../../lib/revocation/revocation-keys.ts'
import type { TokenFamily } from '../../lib/session/rotation.ts'
import type { BoundDevice, SessionMode, SessionRecord } from '../../lib/session/record.ts'
import type { OpenSession } from '../store.ts'
import type { Reply } from './scripts.ts'

/** Returns the fields of a record that the gateway sets; the script sets instants, epoch and family. */
export function encodeSession (session: OpenSession & { provider?: ProviderSession }): string[] {
  const { subject, username, mode, secretHash, acr, amr, scopes, audiences, client, origin, data = {}, provider = null } = session
  const [text, ofProvider] = [encodeData(data), encodeProvider(provider)]
  const fields = {
    subject,
    // The key names the subject's index for the operations that end the session.
    subjectKey: subjectKeyOf(subject),
    username,
    mode,
    ...secretHash === null ? {} : { secretHash },
    acr,
    amr: JSON.stringify(amr),
    scopes: JSON.stringify(scopes),
    audiences: JSON.stringify(audiences),
    userAgent: client.userAgent,
    ip: client.ip,
    ...origin === null ? {} : { origin },
    ...text === null ? {} : { data: text },
    ...ofProvider === null ? {} : { provider: ofProvider }
  }
  return Object.entries(fields).flat()
}

/**
 * Decodes a record from the fields of its hash; the last value of a repeated field counts. Returns null for no fields, and for a
 * damaged record.
 */
export function decodeRecord (reply: Reply | undefined): SessionRecord | null {
  if (!Array.isArray(reply)) return null
  const fields = new Map<string, string>()
  for (let i = 0; i < reply.length; i += 2) fields.set(String(reply[i]), String(reply[i + 1]))
  try {
    return decodeFields(fields)
  } catch {
    return null
  }
}

function decodeFields (fields: Map<string, string>): SessionRecord {
  const text = (name: string): string => fields.get(name) ?? ''
  const number = (name: string): number => numberOf(text(name))
  return {
    sid: text('sid'),
    subject: text('subject'),
    username: text('username'),
    mode: text('mode') as SessionMode,
    epoch: number('epoch'),
    secretHash: fields.get('secretHash') ?? null,
    createdAtMs: number('createdAtMs'),
    authTimeMs: number('authTimeMs'),
    lastUsedAtMs: number('lastUsedAtMs'),
    expiresAtMs: number('expiresAtMs'),
    acr: text('acr'),
    amr: listOf(text('amr')),
    scopes: listOf(text('scopes')),
    audiences: listOf(text('audiences')),
    client: { userAgent: text('userAgent'), ip: text('ip') },
    origin: fields.get('origin') ?? null,
    family: fields.has('generation') ? decodeFamily(text) : null,
    device: fields.has('deviceKey') ? decodeDevice(text) : null,
    data: decodeData(fields.get('data')),
    provider: decodeProvider(fields.get('provider'))
  }
}

/** Parses a number. Throws for any other text, because NaN would make a record that never becomes idle or expires. */
function numberOf (text: string): number {
  const number = Number(text)
  if (text === '' || !Number.isFinite(number)) throw new TypeError('not a number')
  return number
}

function listOf (text: string): string[] {
  const list: unknown = JSON.parse(text)
  if (!Array.isArray(list)) throw new TypeError('not a list')
  return list as string[]
}

function decodeDevice (text: (name: string) => string): BoundDevice {
  return { publicKey: text('deviceKey'), boundAtMs: numberOf(text('deviceBoundAtMs')), renewals: numberOf(text('deviceRenewals')) }
}

function decodeFamily (text: (name: string) => string): TokenFamily {
  const closed = text('closed') === '' ? [] : text('closed').split(',')
  return {
    generation: numberOf(text('generation')),
    received: text('received') === '1',
    rotatedAtMs: numberOf(text('rotatedAtMs')),
    holdUntilMs: numberOf(text('holdUntilMs')),
    closed: closed.map(entry => entry.split(':').map(Number) as [number, number]),
    stepUp: ['', '0'].includes(text('stepUp')) ? null : { generation: numberOf(text('stepUp')), prior: decodeAuthentication([text('priorAuthTimeMs'), text('priorAcr'), text('priorAmr')]) }
  }
}

/** Decodes the instant, `acr` and the list of methods of a script's reply. */
export function decodeAuthentication (reply: Reply[]): Authentication {
  const [authTimeMs, acr, amr] = reply.map(String) as [string, string, string]
  return { authTimeMs: numberOf(authTimeMs), acr, amr: listOf(amr) }
}
