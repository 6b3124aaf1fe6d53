import { subjectKeyOf } from '../../lib/revocation/revocation-keys.ts'
import { decodeData, encodeData } from '../../lib/session/data.ts'
import { decodeProvider, encodeProvider } from '../../lib/session/provider-session.ts'
import type { TokenFamily } from '../../lib/session/rotation.ts'
import type { LogEntry, Revocation } from '../../lib/revocation/entries.ts'
import type { BoundDevice, SessionMode, SessionRecord } from '../../lib/session/record.ts'

export interface SessionRow {
  sid: string
  subject: string
  subject_key: string
  username: string
  mode: SessionMode
  epoch: number
  secret_hash: string | null
  created_at_ms: number
  auth_time_ms: number
  last_used_at_ms: number
  expires_at_ms: number
  acr: string
  amr: string
  scopes: string
  audiences: string
  user_agent: string
  ip: string
  origin: string | null
  /** JSON text; null without data. */
  data: string | null
  /** JSON text; null for a session that did not begin at a provider. */
  provider: string | null
}

export interface FamilyRow {
  generation: number | null
  received: number | null
  rotated_at_ms: number | null
  hold_until_ms: number | null
  closed: string | null
  step_up: string | null
}

export interface DeviceRow {
  device_key: string | null
  device_bound_at_ms: number | null
  device_renewals: number | null
}

/** All columns of a session that a record has. */
export type RecordRow = SessionRow & FamilyRow & DeviceRow

export interface LogRow {
  seq: number
  kind: LogEntry['kind']
  sid: string
  token_key: string
  subject_key: string
  below_epoch: number
  except_sid: string | null
  expires_at_ms: number
}

export function toRecord (row: RecordRow): SessionRecord {
  return {
    sid: row.sid,
    subject: row.subject,
    username: row.username,
    mode: row.mode,
    epoch: row.epoch,
    secretHash: row.secret_hash,
    createdAtMs: row.created_at_ms,
    authTimeMs: row.auth_time_ms,
    lastUsedAtMs: row.last_used_at_ms,
    expiresAtMs: row.expires_at_ms,
    acr: row.acr,
    amr: JSON.parse(row.amr),
    scopes: JSON.parse(row.scopes),
    audiences: JSON.parse(row.audiences),
    client: { userAgent: row.user_agent, ip: row.ip },
    origin: row.origin,
    family: toFamily(row),
    device: toDevice(row),
    data: decodeData(row.data),
    provider: decodeProvider(row.provider)
  }
}

export function toSessionRow (record: SessionRecord): SessionRow & FamilyRow {
  return {
    sid: record.sid,
    subject: record.subject,
    subject_key: subjectKeyOf(record.subject),
    username: record.username,
    mode: record.mode,
    epoch: record.epoch,
    secret_hash: record.secretHash,
    created_at_ms: record.createdAtMs,
    auth_time_ms: record.authTimeMs,
    last_used_at_ms: record.lastUsedAtMs,
    expires_at_ms: record.expiresAtMs,
    acr: record.acr,
    amr: JSON.stringify(record.amr),
    scopes: JSON.stringify(record.scopes),
    audiences: JSON.stringify(record.audiences),
    user_agent: record.client.userAgent,
    ip: record.client.ip,
    origin: record.origin,
    data: encodeData(record.data),
    provider: encodeProvider(record.provider),
    ...toFamilyRow(record.family)
  }
}

export function toFamilyRow (family: TokenFamily | null): FamilyRow {
  if (family === null) return { generation: null, received: null, rotated_at_ms: null, hold_until_ms: null, closed: null, step_up: null }
  return {
    generation: family.generation,
    received: family.received ? 1 : 0,
    rotated_at_ms: family.rotatedAtMs,
    hold_until_ms: family.holdUntilMs,
    closed: JSON.stringify(family.closed),
    step_up: family.stepUp === null ? null : JSON.stringify(family.stepUp)
  }
}

function toDevice (row: DeviceRow): BoundDevice | null {
  if (row.device_key === null) return null
  return { publicKey: row.device_key, boundAtMs: row.device_bound_at_ms ?? 0, renewals: row.device_renewals ?? 0 }
}

function toFamily (row: FamilyRow): TokenFamily | null {
  if (row.generation === null) return null
  return {
    generation: row.generation,
    received: row.received === 1,
    rotatedAtMs: row.rotated_at_ms ?? 0,
    holdUntilMs: row.hold_until_ms ?? 0,
    closed: JSON.parse(row.closed ?? '[]'),
    stepUp: JSON.parse(row.step_up ?? 'null')
  }
}

export function toLogEntry (row: LogRow): LogEntry {
  if (row.kind === 'changed') return { kind: 'changed', sid: row.sid }
  if (row.kind === 'keys') return { kind: 'keys' }
  return toRevocation(row.kind, row)
}

export function toRevocation (kind: Revocation['kind'], row: LogRow): Revocation {
  const expiresAtMs = row.expires_at_ms
  switch (kind) {
    case 'sid': return { kind, sid: row.sid, expiresAtMs }
    case 'jti': return { kind, tokenKey: row.token_key, expiresAtMs }
    case 'subject': return { kind, subjectKey: row.subject_key, belowEpoch: row.below_epoch, exceptSid: row.except_sid, expiresAtMs }
    case 'all': return { kind, belowEpoch: row.below_epoch, expiresAtMs }
  }
}
