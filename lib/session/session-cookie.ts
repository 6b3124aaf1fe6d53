import { randomBytes } from 'node:crypto'
import { sha256 } from '../secrets.ts'

/** A session cookie's value is `<sid>.<secret>`: 16 and 32 bytes, base64url. */
const pattern = /^[A-Za-z0-9_-]{21}[AQgw]\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

export const sidLength = 22

export function createCookieSecret (): { secret: string, secretHash: string } {
  const secret = randomBytes(32).toString('base64url')
  return { secret, secretHash: sha256(secret) }
}

export function formatSessionCookie (sid: string, secret: string): string {
  return `${sid}.${secret}`
}

/** The parts of a session cookie; null when it is not of the one form that we issue. */
export function parseSessionCookie (value: string): { sid: string, secret: string } | null {
  return pattern.test(value) ? { sid: value.slice(0, sidLength), secret: value.slice(sidLength + 1) } : null
}
