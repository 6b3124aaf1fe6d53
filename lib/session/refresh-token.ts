import { createHmac, timingSafeEqual } from 'node:crypto'
import type { DerivedSecret } from '../secrets.ts'

/*
 * A refresh token is secret id (4 bytes) ‖ sid (16) ‖ generation (4) ‖ HMAC-SHA-256(key, version ‖ sid ‖ generation), base64url. It is a
 * pure function of the session and the generation: issuing it twice gives the same token, and nothing is stored per token.
 */
const version = Buffer.from([1])
const macAt = 24
const length = 56

export type ParsedRefreshToken =
  | { result: 'genuine', sid: string, generation: number }
  /** The token was issued under a secret that this process does not have (yet). The client is not at fault. */
  | { result: 'unknown-key' }
  | { result: 'forged' }

export function formatRefreshToken (secret: DerivedSecret, sid: string, generation: number): string {
  const bytes = Buffer.alloc(macAt)
  secret.id.copy(bytes)
  bytes.write(sid, 4, 'base64url')
  bytes.writeUInt32BE(generation, 20)
  return Buffer.concat([bytes, mac(secret, bytes)]).toString('base64url')
}

export function parseRefreshToken (secrets: readonly DerivedSecret[], token: string): ParsedRefreshToken {
  if (!/^[A-Za-z0-9_-]{75}$/.test(token)) return { result: 'forged' }
  const bytes = Buffer.from(token, 'base64url')
  if (bytes.length !== length || bytes.toString('base64url') !== token) return { result: 'forged' }
  const secret = secrets.find(({ id }) => id.equals(bytes.subarray(0, 4)))
  if (secret === undefined) return { result: 'unknown-key' }
  if (!timingSafeEqual(mac(secret, bytes), bytes.subarray(macAt))) return { result: 'forged' }
  return { result: 'genuine', sid: bytes.toString('base64url', 4, 20), generation: bytes.readUInt32BE(20) }
}

function mac (secret: DerivedSecret, bytes: Buffer): Buffer {
  return createHmac('sha256', secret.refreshTokenKey).update(version).update(bytes.subarray(4, macAt)).digest()
}
