import type { TextCheck } from './fields.ts'
import { findPattern, findPatternInSecret } from './secret-strength.ts'

/*
 * Checks of secrets. Like those of text-checks.ts, none of them repeats the text that it checks.
 */

const makeSecret = 'make one with: node -p "crypto.randomBytes(32).toString(\'base64url\')"'

export const checkSecret: TextCheck = text => {
  if (!/^[A-Za-z0-9_-]+$/.test(text)) return `must be base64url (letters, digits, - and _ alone); ${makeSecret}`
  if (Buffer.from(text, 'base64url').length < 32) return `must be at least 32 random bytes; ${makeSecret}`
  const pattern = findPatternInSecret(text)
  return pattern === null ? null : `must be random, but ${pattern}; ${makeSecret}`
}

/** Checks a token that can follow `Bearer` in a header. */
export const checkAdminToken: TextCheck = text => {
  if (!/^[\x21-\x7e]*$/.test(text)) return `must be visible ASCII characters without a space; ${makeSecret}`
  if (text.length < 16) return `must have at least 16 characters; ${makeSecret}`
  return findPattern(text) === 'repeats itself' ? `must be random, but repeats itself; ${makeSecret}` : null
}

/** Returns why an operator's token of sufficient length can be guessed; null if no sign of that is found. */
export const findWeakToken: TextCheck = text => {
  const pattern = findPattern(text)
  return pattern === null ? null : `${pattern}, so it can be guessed; ${makeSecret}`
}
