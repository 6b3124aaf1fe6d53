import { hash } from 'node:crypto'
import { maxShards, shardOfText } from '../session/sid.ts'

/*
 * Keys of revocations: 128 bits, wherever a revocation is stored. Texts hold them as base64url, which is also the form of a session id, so
 * that a session id is its own key. Claims of other issuers have any length and name people. A key is enough to check a credential, and to
 * re-assert the revocation to a store that has lost it.
 */

export const keyBytes = 16

/** Returns the key of a `jti` with its issuer. The empty issuer stands for every issuer. All keys of one `jti` are in one shard. */
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

/** Returns the key of some parts. The low four bits of its first byte are the shard. */
function keyOf (parts: string[], shard: number): Buffer {
  const bytes = hash('sha256', JSON.stringify(parts), 'buffer').subarray(0, keyBytes)
  bytes[0] = ((bytes[0] ?? 0) & ~(maxShards - 1)) | shard
  return bytes
}
