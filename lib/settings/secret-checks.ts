import type { TextCheck } from './fields.ts'

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

/** Words that people write in place of random bytes; long enough that random bytes do not form them by chance. */
const words = /changeme|change[-_]this|secret|passwor|passphr|example|default|insecure|portcullis|placeholder|replace|qwerty|12345678|abcdefgh/i

/**
 * Returns why a base64url text is not a random value of 32 bytes, in words that can follow "must be random, but "; null if no sign of that
 * is found. It does not find every weak value, but it misjudges less than one in a million random ones.
 */
export function findPatternInSecret (text: string): string | null {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.every(byte => byte >= 0x09 && byte < 0x7f)) return 'is a text in base64url'
  // 32 random bytes have about 30 different values.
  return findRepetition(bytes, 16) ?? findWords(text)
}

/** Returns why a text of at least 16 characters, in any form, is not random; null if no sign of that is found. */
export function findPattern (text: string): string | null {
  return findRepetition(Buffer.from(text), 6) ?? findWords(text)
}

function findWords (text: string): string | null {
  if (words.test(text)) return 'has a word in it that everybody tries'
  return /^([a-z_-]+|[A-Z_-]+|\d+)$/.test(text) ? 'consists of words or digits alone' : null
}

function findRepetition (bytes: Buffer, least: number): string | null {
  if (new Set(bytes).size < least) return 'repeats itself'
  const steps = new Set(bytes.subarray(1).map((byte, index) => byte - bytes[index]!))
  return steps.size === 1 ? 'counts up or down' : null
}
