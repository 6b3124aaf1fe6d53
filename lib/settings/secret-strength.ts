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
