import { createHash } from 'node:crypto'
import { maxShards, shardOfText } from './sid.ts'

/*
 * What a revocation is known by, wherever it is kept: 128 bits, base64url, as a session id is. The texts themselves are foreign, of any
 * length, and name people; a key is enough to ask whether somebody is meant, and to say it again to a store that has lost it.
 */

/** Of a `jti`, with its issuer; the empty issuer stands for every issuer. All keys of one `jti` lie in one shard. */
export function tokenKeyOf (issuer: string, jti: string): string {
  return keyOf(['jti', issuer, jti], shardOfText(jti))
}

export function subjectKeyOf (subject: string): string {
  return keyOf(['subject', subject], shardOfText(subject))
}

/** The low four bits of the first byte name the shard. */
function keyOf (parts: string[], shard: number): string {
  const bytes = createHash('sha256').update(JSON.stringify(parts)).digest().subarray(0, 16)
  bytes[0] = ((bytes[0] ?? 0) & ~(maxShards - 1)) | shard
  return bytes.toString('base64url')
}
