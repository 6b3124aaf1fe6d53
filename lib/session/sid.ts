import { createHash, randomBytes } from 'node:crypto'
import { sha256 } from '../secrets.ts'

/* The id of a session, with the shard that it states, and the session cookie, which consists of the id and a secret. */

/** Maximum number of shards of the sessions; a power of two. */
export const maxShards = 16
/** Value of the dash in base64url. */
const dash = 62

/**
 * Creates a session id: 128 random bits, base64url. The low four bits of the first byte are the shard of its subject, so that a session,
 * its subject's data and the log of both share one slot, and every change is one atomic operation. A `sid` is a public identifier, never a
 * secret.
 */
export function createSid (subject: string): string {
  const bytes = randomBytes(16)
  const first = ((bytes[0] ?? 0) & ~(maxShards - 1)) | shardOfText(subject)
  // A leading dash is avoided, because a command line would read it as an option.
  bytes[0] = first >> 2 === dash ? first & 0x7f : first
  return bytes.toString('base64url')
}

/** Returns the shard, 0 to 15, of a session id. Any other text of the same alphabet has a shard too. */
export function shardOfSid (sid: string): number {
  return (Buffer.from(sid, 'base64url')[0] ?? 0) & (maxShards - 1)
}

/** Returns the shard, 0 to 15, of a subject or of a `jti`. */
export function shardOfText (text: string): number {
  return (createHash('sha256').update(text).digest()[0] ?? 0) & (maxShards - 1)
}

export const sidLength = 22
export const sidPattern = '^[A-Za-z0-9_-]{21}[AQgw]$'

const sidExpression = new RegExp(sidPattern)

/** Returns whether `text` is a canonical session id: 16 bytes, base64url, no padding. */
export function isSid (text: string): boolean {
  return sidExpression.test(text)
}

/** Pattern of a session cookie's value, `<sid>.<secret>`: 16 and 32 bytes, base64url. */
const cookiePattern = /^[A-Za-z0-9_-]{21}[AQgw]\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

export function createCookieSecret (): { secret: string, secretHash: string } {
  const secret = randomBytes(32).toString('base64url')
  return { secret, secretHash: sha256(secret) }
}

export function formatSessionCookie (sid: string, secret: string): string {
  return `${sid}.${secret}`
}

/** Returns the parts of a session cookie; null if it does not have the form that the gateway issues. */
export function parseSessionCookie (value: string): { sid: string, secret: string } | null {
  return cookiePattern.test(value) ? { sid: value.slice(0, sidLength), secret: value.slice(sidLength + 1) } : null
}
