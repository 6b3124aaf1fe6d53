import fc from 'fast-check'
import t from 'tap'
import { deriveSecret, equalInConstantTime, seal, sha256, unseal } from '../../lib/secrets.ts'

const first = deriveSecret(Buffer.alloc(32, 1).toString('base64url'))
const second = deriveSecret(Buffer.alloc(32, 2).toString('base64url'))

t.test('one secret gives the same keys each time, and different ones for each use', async t => {
  const again = deriveSecret(Buffer.alloc(32, 1).toString('base64url'))

  t.ok(again.refreshTokenKey.equals(first.refreshTokenKey) && again.sealingKey.equals(first.sealingKey) && again.id.equals(first.id))
  const keys = [first.refreshTokenKey, first.deviceKey, first.sealingKey, first.usersKey].map(key => key.toString('hex'))
  t.equal(new Set(keys).size, keys.length)
  t.notOk(first.refreshTokenKey.equals(second.refreshTokenKey))
  t.equal(first.id.length, 4)
})

t.test('a secret of less than 32 bytes is refused', async t => {
  for (const secret of ['', 'short', Buffer.alloc(31, 1).toString('base64url'), '!'.repeat(100)]) t.throws(() => deriveSecret(secret), RangeError, secret)
})

t.test('what was sealed opens with its secret and its context alone', async t => {
  const sealed = seal(first, 'text', 'context')

  t.equal(unseal([first], sealed, 'context'), 'text')
  t.equal(unseal([second, first], sealed, 'context'), 'text')
  t.equal(unseal([second], sealed, 'context'), null)
  t.equal(unseal([first], sealed, 'another context'), null)
  t.equal(unseal([], sealed, 'context'), null)
  t.not(seal(first, 'text', 'context'), sealed)
})

t.test('every text survives sealing, and no changed byte is overlooked', async () => {
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), fc.string(), fc.nat(), fc.integer({ min: 1, max: 255 }), (text, context, at, mask) => {
    const bytes = Buffer.from(seal(first, text, context), 'base64url')
    if (unseal([first], bytes.toString('base64url'), context) !== text.toWellFormed()) return false
    const index = at % bytes.length
    bytes[index] = (bytes[index] ?? 0) ^ mask
    return unseal([first], bytes.toString('base64url'), context) === null
  }))
})

t.test('what is too short to have been sealed does not open', async t => {
  const sealed = Buffer.from(seal(first, '', ''), 'base64url')
  for (let length = 0; length < sealed.length; length++) t.equal(unseal([first], sealed.subarray(0, length).toString('base64url'), ''), null, String(length))
})

t.test('texts are equal only byte by byte', async t => {
  t.ok(equalInConstantTime('', ''))
  t.ok(equalInConstantTime('ä', 'ä'))
  for (const [a, b] of [['a', 'b'], ['a', 'aa'], ['', 'a'], ['ä', 'a']] as const) t.notOk(equalInConstantTime(a, b), `${a} ${b}`)
  t.equal(sha256('abc'), 'ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0')
})
