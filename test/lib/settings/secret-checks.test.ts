import { randomBytes, randomUUID } from 'node:crypto'
import t from 'tap'
import { findPattern, findPatternInSecret } from '../../../lib/settings/secret-checks.ts'

const base64url = (bytes: Buffer | string | number[]) => Buffer.from(bytes as string).toString('base64url')

t.test('what chance makes has no pattern', async t => {
  for (let round = 0; round < 2000; round++) {
    for (const text of [randomBytes(32).toString('base64url'), randomBytes(32).toString('hex')]) t.equal(findPatternInSecret(text), null, text)
    for (const text of [randomBytes(24).toString('base64url'), randomBytes(16).toString('hex'), randomUUID()]) t.equal(findPattern(text), null, text)
  }
})

for (const [what, text, pattern] of [
  ['one byte', base64url(Buffer.alloc(32, 7)), 'repeats itself'],
  ['no byte but zero', 'A'.repeat(43), 'repeats itself'],
  ['a short text again and again', 'abc123'.repeat(9), 'repeats itself'],
  ['bytes in a row', base64url(Array.from({ length: 32 }, (_, index) => index)), 'counts up or down'],
  ['bytes in steps', base64url(Array.from({ length: 32 }, (_, index) => 250 - 3 * index)), 'counts up or down'],
  ['a sentence', base64url('a very long passphrase that somebody wrote'), 'is a text in base64url'],
  ['words', 'correct-horse-battery-staple-correct-horse-battery', 'consists of words or digits alone'],
  ['words in capitals', 'CORRECT_HORSE_BATTERY_STAPLE_CORRECT_HORSE_BATTERY', 'consists of words or digits alone'],
  ['digits', '31415926535897932384626433832795028841971693993751', 'consists of words or digits alone'],
  ['a placeholder', 'ChangeMe-9f8e7d6c5b4a3f2e1d0cABCDEFGHIJKLMNOP', 'has a word in it that everybody tries'],
  ['its own name', 'mySecretKey0987zyxwvutsrqponmlkjihgfed0987ABC', 'has a word in it that everybody tries']
] as const) {
  t.test(`a secret of ${what} has a pattern`, async t => {
    t.equal(findPatternInSecret(text), pattern)
  })
}
