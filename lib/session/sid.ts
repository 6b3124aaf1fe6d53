import { createHash, randomBytes } from 'node:crypto'

/** Sessions are spread over this many shards at most; a power of two. */
export const maxShards = 16
/** In base64url. */
const dash = 62

/**
 * A new session id: 128 random bits, base64url, of which the low four bits of the first byte name the shard of its subject.
 * So a session, its subject's data and the log that tells of both share one slot, and every change is one atomic operation.
 * An `sid` is a public identifier, never a secret.
 */
export function createSid (subject: string): string {
  const bytes = randomBytes(16)
  const first = ((bytes[0] ?? 0) & ~(maxShards - 1)) | shardOfText(subject)
  // Never a dash in front: on a command line it would be taken for an option.
  bytes[0] = first >> 2 === dash ? first & 0x7f : first
  return bytes.toString('base64url')
}

/** The shard, 0 to 15, of a session id; any other text of the right alphabet gets one too. */
export function shardOfSid (sid: string): number {
  return (Buffer.from(sid, 'base64url')[0] ?? 0) & (maxShards - 1)
}

/** The shard, 0 to 15, of a subject or of an `iss` and `jti` pair. */
export function shardOfText (text: string): number {
  return (createHash('sha256').update(text).digest()[0] ?? 0) & (maxShards - 1)
}

export const sidPattern = '^[A-Za-z0-9_-]{21}[AQgw]$'

const sidExpression = new RegExp(sidPattern)

/** Whether `text` is a canonical session id: 16 bytes, base64url, no padding. */
export function isSid (text: string): boolean {
  return sidExpression.test(text)
}
