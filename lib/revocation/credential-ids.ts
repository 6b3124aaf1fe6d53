import { hash } from 'node:crypto'
import type { CredentialClaims } from './entries.ts'
import { keyWords } from './id-table.ts'
import { keyBytes, subjectKeyBytes, tokenKeyBytes } from './revocation-id.ts'

/*
 * The keys of revocations (lib/revocation/revocation-id.ts) as words, for tables of numbers.
 */

/** Of the `sid`, the `jti` with its issuer, the `jti` whoever issued it, the subject; zeros where there is no such claim. */
export type CredentialKeys = Int32Array
export const credentialKeysLength = 4 * keyWords
export const sidKeyAt = 0
export const jtiKeyAt = 4
export const anyJtiKeyAt = 8
export const subjectKeyAt = 12

/** Where the keys of a credential are kept, on what it was verified as. */
export const credentialKeys: unique symbol = Symbol('credential keys')

/**
 * Freezes the claims of a credential and keeps its keys with them, so that a request with a credential that was seen before hashes
 * nothing. Copies do not have them: what is changed in a copy would not be what is looked up.
 */
export function freezeWithKeys<Claims extends CredentialClaims> (claims: Claims): Readonly<Claims> {
  const keys = new Int32Array(credentialKeysLength)
  writeKeys(claims, keys)
  return Object.freeze(Object.defineProperty(claims, credentialKeys, { value: keys, enumerable: false }))
}

/** Claims that are absent have no key. Without an epoch no cut is asked for. */
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

/** A key that comes as a text. One that is none is a mistake of the caller, and nobody's key. */
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

/** The 128 bits of a canonical text of them (lib/session/sid.ts); false, and nothing that counts is written, for any other text. */
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
  // What is left over of the last digit is zero in the one canonical spelling.
  return (pending & 0xf) === 0
}
