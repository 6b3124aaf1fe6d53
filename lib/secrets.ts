import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'

/** Keys derived from one configured secret. Each use has a separate key, so that no key reveals anything about another. */
export interface DerivedSecret {
  /** Identifies the secret without revealing it; four bytes. */
  id: Buffer
  refreshTokenKey: Buffer
  deviceKey: Buffer
  sealingKey: Buffer
  challengeKey: Buffer
  loginKey: Buffer
  usersKey: Buffer
}

/** Derives the keys of a base64url secret of at least 32 bytes (HKDF-SHA-256, RFC 5869). */
export function deriveSecret (secret: string): DerivedSecret {
  const bytes = Buffer.from(secret, 'base64url')
  if (bytes.length < 32 || !/^[A-Za-z0-9_-]+$/.test(secret)) throw new RangeError('a secret has at least 32 bytes, base64url')
  const derive = (info: string, length: number): Buffer => Buffer.from(hkdfSync('sha256', bytes, '', `portcullis ${info}`, length))
  return { id: derive('secret id', 4), refreshTokenKey: derive('refresh token v1', 32), deviceKey: derive('device v1', 32), sealingKey: derive('sealing v1', 32), challengeKey: derive('challenge v1', 32), loginKey: derive('login v1', 32), usersKey: derive('users file v1', 32) }
}

/** Keys that seal texts. */
type SealingKey = 'sealingKey' | 'challengeKey' | 'loginKey'

/** Encrypts `text` (AES-256-GCM) so that it opens only with the same `context` and key. */
export function seal (secret: DerivedSecret, text: string, context: string, key: SealingKey = 'sealingKey'): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', secret[key], nonce).setAAD(Buffer.from(context))
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
  return Buffer.concat([secret.id, nonce, cipher.getAuthTag(), sealed]).toString('base64url')
}

/** Decrypts a text that `seal` encrypted with one of the secrets. Returns null if none of them did, or if the text was changed. */
export function unseal (secrets: readonly DerivedSecret[], sealed: string, context: string, key: SealingKey = 'sealingKey'): string | null {
  const bytes = Buffer.from(sealed, 'base64url')
  const secret = secrets.find(({ id }) => id.equals(bytes.subarray(0, 4)))
  if (secret === undefined || bytes.length < 32) return null
  const decipher = createDecipheriv('aes-256-gcm', secret[key], bytes.subarray(4, 16)).setAAD(Buffer.from(context)).setAuthTag(bytes.subarray(16, 32))
  try {
    return Buffer.concat([decipher.update(bytes.subarray(32)), decipher.final()]).toString('utf8')
  } catch {
    return null
  }
}

export function sha256 (text: string): string {
  return createHash('sha256').update(text).digest('base64url')
}

/** Returns whether two texts are equal, in a time that does not reveal where they differ. */
export function equalInConstantTime (a: string, b: string): boolean {
  const left = Buffer.from(a)
  const right = Buffer.from(b)
  return left.length === right.length && timingSafeEqual(left, right)
}
