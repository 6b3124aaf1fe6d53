import { hash } from 'node:crypto'
import { maxShards, shardOfText } from '../session/sid.ts'
import type { CredentialClaims } from './entries.ts'
import { keyWords } from './key-table.ts'

/*
 * Keys of revocations: 128 bits, wherever a revocation is stored. Texts hold them as base64url, which is also the form of a session id, so
 * that a session id is its own key. Tables of numbers hold them as 32-bit words. Claims of other issuers have any length and name people. A
 * key is enough to check a credential, and to re-assert the revocation to a store that has lost it.
 */

const keyBytes = 16

/** Returns the key of a `jti` with its issuer. The empty issuer stands for every issuer. All keys of one `jti` are in one shard. */
export function tokenKeyOf (issuer: string, jti: string): string {
  return tokenKeyBytes(issuer, jti).toString('base64url')
}

export function subjectKeyOf (subject: string): string {
  return subjectKeyBytes(subject).toString('base64url')
}

function tokenKeyBytes (issuer: string, jti: string): Buffer {
  return keyOf(['jti', issuer, jti], shardOfText(jti))
}

function subjectKeyBytes (subject: string): Buffer {
  return keyOf(['subject', subject], shardOfText(subject))
}

/** Returns the key of some parts. The low four bits of its first byte are the shard. */
function keyOf (parts: string[], shard: number): Buffer {
  const bytes = hash('sha256', JSON.stringify(parts), 'buffer').subarray(0, keyBytes)
  bytes[0] = ((bytes[0] ?? 0) & ~(maxShards - 1)) | shard
  return bytes
}

/** Keys of the `sid`, of the `jti` with its issuer, of the `jti` for any issuer, and of the subject; zeros for absent claims. */
export type CredentialKeys = Int32Array
export const credentialKeysLength = 4 * keyWords
export const sidKeyAt = 0
export const jtiKeyAt = 4
export const anyJtiKeyAt = 8
export const subjectKeyAt = 12

/** Property that holds the keys of a verified credential. */
export const credentialKeys: unique symbol = Symbol('credential keys')

/**
 * Freezes the claims of a credential, with the lists in them, and stores its keys with them, so that a request with a known credential
 * computes no hash. Copies do not carry the keys, because the claims of a copy may be changed.
 */
export function freezeWithKeys<Claims extends CredentialClaims> (claims: Claims): Readonly<Claims> {
  const keys = new Int32Array(credentialKeysLength)
  writeKeys(claims, keys)
  for (const value of Object.values(claims)) if (Array.isArray(value)) Object.freeze(value)
  return Object.freeze(Object.defineProperty(claims, credentialKeys, { value: keys, enumerable: false }))
}

/**
 * Writes the keys of the claims. Absent claims have no key. The subject has a key only if there is an epoch, because cuts are compared with
 * the epoch.
 */
export function writeKeys ({ issuer, jti, sid, subject, epoch }: CredentialClaims, into: CredentialKeys): void {
  if (sid !== null) writeSidKey(sid, into, sidKeyAt)
  if (jti !== null) {
    writeJtiKey(issuer ?? '', jti, into, jtiKeyAt)
    writeJtiKey('', jti, into, anyJtiKeyAt)
  }
  if (subject !== null && epoch !== null) writeSubjectKey(subject, into, subjectKeyAt)
}

export function writeSidKey (sid: string, into: Int32Array, at: number): void {
  if (!decodeKey(sid, into, at)) writeBytes(hash('sha256', `sid ${sid}`, 'buffer'), into, at)
}

export function writeJtiKey (issuer: string, jti: string, into: Int32Array, at: number): void {
  writeBytes(tokenKeyBytes(issuer, jti), into, at)
}

export function writeSubjectKey (subject: string, into: Int32Array, at: number): void {
  writeBytes(subjectKeyBytes(subject), into, at)
}

/** Writes a key that is given as text. Throws TypeError if the text is not a key. */
export function writeKeyText (text: string, into: Int32Array, at: number): void {
  if (!decodeKey(text, into, at)) throw new TypeError('not the key of a revocation')
}

export function keyTextAt (words: Int32Array, at: number): string {
  const bytes = Buffer.alloc(keyBytes)
  for (let word = 0; word < keyWords; word++) bytes.writeInt32BE(words[at + word]!, word * 4)
  return bytes.toString('base64url')
}

function writeBytes (bytes: Buffer, into: Int32Array, at: number): void {
  for (let word = 0; word < keyWords; word++) into[at + word] = bytes.readInt32BE(word * 4)
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const noDigit = 64
const digits = new Uint8Array(128).fill(noDigit)
for (let digit = 0; digit < alphabet.length; digit++) digits[alphabet.charCodeAt(digit)] = digit

/**
 * Decodes the 128 bits of a canonical base64url text (lib/session/sid.ts). Returns false for any other text; `into` may then be partly
 * overwritten.
 */
function decodeKey (sid: string, into: Int32Array, at: number): boolean {
  if (sid.length !== 22) return false
  let bits = 0
  let pending = 0
  let word = 0
  let filled = 0
  for (let index = 0; index < 22; index++) {
    const digit = digits[sid.charCodeAt(index)] ?? noDigit
    if (digit === noDigit) return false
    pending = pending << 6 | digit
    bits += 6
    if (bits < 8) continue
    bits -= 8
    word = word << 8 | (pending >> bits & 0xff)
    if (++filled % 4 === 0) into[at + filled / 4 - 1] = word
  }
  // The unused bits of the last digit are zero in the canonical spelling.
  return (pending & 0xf) === 0
}
