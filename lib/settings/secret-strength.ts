/** What people write where random bytes are meant; long enough that chance does not write it. */
const words = /changeme|change[-_]this|secret|passwor|passphr|example|default|insecure|portcullis|placeholder|replace|qwerty|12345678|abcdefgh/i

/**
 * Why a base64url text is no random value of 32 bytes, put so that it can follow "must be random, but "; null when nothing says so.
 * It does not find every weak one, but what it finds, chance makes less than once in a million.
 */
export function findPatternInSecret (text: string): string | null {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.every(byte => byte >= 0x09 && byte < 0x7f)) return 'is a text in base64url'
  // Of 32 random bytes about 30 are different.
  return findRepetition(bytes, 16) ?? findWords(text)
}

/** The same of a text of at least 16 characters, in whatever form. */
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
