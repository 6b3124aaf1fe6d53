import { createHmac, timingSafeEqual } from 'node:crypto'
import type { DerivedSecret } from '../secrets.ts'

/*
 * Tickets that a device receives and that no store holds: challenges to sign, and the device cookie. A ticket is secret id (4 bytes) ‖ end
 * in milliseconds (6) ‖ HMAC-SHA-256(key, version ‖ purpose ‖ sid ‖ number ‖ end), base64url. It is therefore valid for only one purpose,
 * one session and one number, and cannot be predicted before it is issued.
 */
const version = 1
const macAt = 10
const length = 42
const pattern = /^[A-Za-z0-9_-]{56}$/
const purposes = { register: 1, refresh: 2, cookie: 3 }

export interface Ticket {
  purpose: keyof typeof purposes
  sid: string
  /** Number of earlier proofs, so that a proof uses up its challenge. 0 if nothing is counted. */
  number: number
}

export type ParsedTicket =
  | { result: 'genuine', endsAtMs: number }
  /** The ticket was issued under a secret that this process does not have (yet). The client is not at fault. */
  | { result: 'unknown-key' }
  | { result: 'forged' }

export function formatTicket (secret: DerivedSecret, ticket: Ticket, endsAtMs: number): string {
  const bytes = Buffer.alloc(macAt)
  secret.id.copy(bytes)
  bytes.writeUIntBE(endsAtMs, 4, 6)
  return Buffer.concat([bytes, mac(secret, ticket, bytes)]).toString('base64url')
}

/** Verifies that a text is this ticket. The caller checks whether it has expired. */
export function parseTicket (secrets: readonly DerivedSecret[], ticket: Ticket, text: string): ParsedTicket {
  if (!pattern.test(text)) return { result: 'forged' }
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.length !== length) return { result: 'forged' }
  const secret = secrets.find(({ id }) => id.equals(bytes.subarray(0, 4)))
  if (secret === undefined) return { result: 'unknown-key' }
  if (!timingSafeEqual(mac(secret, ticket, bytes), bytes.subarray(macAt))) return { result: 'forged' }
  return { result: 'genuine', endsAtMs: bytes.readUIntBE(4, 6) }
}

function mac (secret: DerivedSecret, { purpose, sid, number }: Ticket, bytes: Buffer): Buffer {
  const what = Buffer.alloc(24)
  what.writeUInt8(version, 0)
  what.writeUInt8(purposes[purpose], 1)
  what.write(sid, 2, 16, 'base64url')
  what.writeUIntBE(number, 18, 6)
  return createHmac('sha256', secret.deviceKey).update(what).update(bytes.subarray(4, macAt)).digest()
}
