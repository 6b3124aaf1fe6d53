import type { TextCheck } from './fields.ts'
import { findPattern, findPatternInSecret } from './secret-strength.ts'

/*
 * As in text-checks.ts, none of these repeats the text that it judges.
 */

const makeSecret = 'make one with: node -p "crypto.randomBytes(32).toString(\'base64url\')"'

export const checkSecret: TextCheck = text => {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return `must be base64url (letters, digits, - and _ alone); ${makeSecret}`
  if (Buffer.from(text, 'base64url').length < 32) return `must be at least 32 random bytes; ${makeSecret}`
  const pattern = findPatternInSecret(text)
  return pattern === null ? null : `must be random, but ${pattern}; ${makeSecret}`
}

/** What can stand in a header after Bearer. */
export const checkAdminToken: TextCheck = text => {
  if (!/^[\x21-\x7e]*$/.test(text)) return `must be visible ASCII characters without a space; ${makeSecret}`
  if (text.length < 16) return `must have at least 16 characters; ${makeSecret}`
  return findPattern(text) === 'repeats itself' ? `must be random, but repeats itself; ${makeSecret}` : null
}

/** Why a token of operators that is long enough can be guessed; null when nothing says so. */
export const findWeakToken: TextCheck = text => {
  const pattern = findPattern(text)
  return pattern === null ? null : `${pattern}, so it can be guessed; ${makeSecret}`
}
