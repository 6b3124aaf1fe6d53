import { randomBytes } from 'node:crypto'
import { sha256 } from '../secrets.ts'

/** Pattern of a session cookie's value, `<sid>.<secret>`: 16 and 32 bytes, base64url. */
const pattern = /^[A-Za-z0-9_-]{21}[AQgw]\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$/

export const sidLength = 22

export function createCookieSecret (): { secret: string, secretHash: string } {
  const secret = randomBytes(32).toString('base64url')
  return { secret, secretHash: sha256(secret) }
}

export function formatSessionCookie (sid: string, secret: string): string {
  return `${sid}.${secret}`
}

/** Returns the parts of a session cookie; null if it does not have the form that the gateway issues. */
export function parseSessionCookie (value: string): { sid: string, secret: string } | null {
  return pattern.test(value) ? { sid: value.slice(0, sidLength), secret: value.slice(sidLength + 1) } : null
}
