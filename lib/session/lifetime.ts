import { deviceInForce } from './device-binding.ts'
import type { SessionRecord } from './record.ts'

/** Last use is told and written on a grid of this share of the idle timeout, so that it does not tell when exactly the owner was here. */
const gridShare = 30

/** Ending other sessions than one's own needs an authentication of at most this age. */
export const freshSeconds = 300

export function gridMs (idleTimeoutMs: number): number {
  return Math.max(1, Math.floor(idleTimeoutMs / gridShare))
}

export function isIdle (record: { lastUsedAtMs: number }, nowMs: number, idleTimeoutMs: number): boolean {
  return nowMs - record.lastUsedAtMs >= idleTimeoutMs
}

export function isOver (record: { expiresAtMs: number }, nowMs: number): boolean {
  return nowMs >= record.expiresAtMs
}

/** When a session was last used, as precisely as it may be told: in milliseconds. */
export function lastUseOnGrid (record: { lastUsedAtMs: number }, idleTimeoutMs: number): number {
  const grid = gridMs(idleTimeoutMs)
  return Math.floor(record.lastUsedAtMs / grid) * grid
}

/** A session as its owner sees it, in seconds since the epoch. */
export interface SessionView {
  sid: string
  subject: string
  created_at: number
  auth_time: number
  acr: string
  amr: string[]
  idle_expires_at: number
  expires_at: number
  client: { user_agent: string, ip: string }
  /** The device that it is bound to; null: it is good wherever its cookie is. */
  device: { bound_at: number } | null
}

export function viewSession (record: SessionRecord, idleTimeoutMs: number): SessionView {
  const device = deviceInForce(record)
  const idleExpiresAtMs = lastUseOnGrid(record, idleTimeoutMs) + idleTimeoutMs
  return {
    sid: record.sid,
    subject: record.subject,
    created_at: seconds(record.createdAtMs),
    auth_time: seconds(record.authTimeMs),
    acr: record.acr,
    amr: record.amr,
    idle_expires_at: seconds(Math.min(idleExpiresAtMs, record.expiresAtMs)),
    expires_at: seconds(record.expiresAtMs),
    client: { user_agent: record.client.userAgent, ip: record.client.ip },
    device: device === null ? null : { bound_at: seconds(device.boundAtMs) }
  }
}

/** A NumericDate (RFC 7519) of an instant in milliseconds. */
export function seconds (instantMs: number): number {
  return Math.floor(instantMs / 1000)
}
