import { hash } from 'node:crypto'
import { maxShards, shardOfText } from '../session/sid.ts'

/*
 * What a revocation is known by, wherever it is kept: 128 bits. In texts they are base64url, as a session id is, which is its own key.
 * Texts of others are of any length, and name people; a key is enough to ask whether somebody is meant, and to say it again to a
 * store that has lost it.
 */

export const keyBytes = 16

/** Of a `jti`, with its issuer; the empty issuer stands for every issuer. All keys of one `jti` lie in one shard. */
export function tokenKeyOf (issuer: string, jti: string): string {
  return tokenKeyBytes(issuer, jti).toString('base64url')
}

export function subjectKeyOf (subject: string): string {
  return subjectKeyBytes(subject).toString('base64url')
}

export function tokenKeyBytes (issuer: string, jti: string): Buffer {
  return keyOf(['jti', issuer, jti], shardOfText(jti))
}

export function subjectKeyBytes (subject: string): Buffer {
  return keyOf(['subject', subject], shardOfText(subject))
}

/** The low four bits of the first byte name the shard. */
function keyOf (parts: string[], shard: number): Buffer {
  const bytes = hash('sha256', JSON.stringify(parts), 'buffer').subarray(0, keyBytes)
  bytes[0] = ((bytes[0] ?? 0) & ~(maxShards - 1)) | shard
  return bytes
}
