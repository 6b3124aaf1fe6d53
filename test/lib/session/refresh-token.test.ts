import fc from 'fast-check'
import t from 'tap'
import { formatRefreshToken, parseRefreshToken } from '../../../lib/session/refresh-token.ts'
import { deriveSecret } from '../../../lib/secrets.ts'

const first = deriveSecret(Buffer.alloc(32, 1).toString('base64url'))
const second = deriveSecret(Buffer.alloc(32, 2).toString('base64url'))
const sids = fc.uint8Array({ minLength: 16, maxLength: 16 }).map(bytes => Buffer.from(bytes).toString('base64url'))
const generations = fc.integer({ min: 1, max: 2 ** 32 - 1 })

t.test('every token tells the session and the generation that it was made of, and is the same each time', async () => {
  fc.assert(fc.property(sids, generations, (sid, generation) => {
    const token = formatRefreshToken(first, sid, generation)
    const parsed = parseRefreshToken([second, first], token)
    return token === formatRefreshToken(first, sid, generation) && token.length === 75 &&
      parsed.result === 'genuine' && parsed.sid === sid && parsed.generation === generation
  }))
})

t.test('a token with any one bit changed is forged, or of a key that is not known', async t => {
  const token = formatRefreshToken(first, 'AAAAAAAAAAAAAAAAAAAAAA', 7)
  for (let bit = 0; bit < 56 * 8; bit++) {
    const bytes = Buffer.from(token, 'base64url')
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    t.equal(parseRefreshToken([first, second], bytes.toString('base64url')).result, bit < 32 ? 'unknown-key' : 'forged', `bit ${bit}`)
  }
})

t.test('the unused bits of the last character have one value', async t => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const token = formatRefreshToken(first, 'AAAAAAAAAAAAAAAAAAAAAA', 7)
  const genuine = [...alphabet].filter(last => parseRefreshToken([first], token.slice(0, -1) + last).result === 'genuine')

  t.same(genuine, [token.at(-1)])
})

t.test('the same text under another secret is forged', async t => {
  const foreign = deriveSecret(Buffer.alloc(32, 3).toString('base64url'))
  const bytes = Buffer.from(formatRefreshToken(foreign, 'AAAAAAAAAAAAAAAAAAAAAA', 1), 'base64url')
  first.id.copy(bytes)

  t.same(parseRefreshToken([first], bytes.toString('base64url')), { result: 'forged' })
})

t.test('a token of a secret that is not known is told apart from a forged one', async t => {
  t.same(parseRefreshToken([first], formatRefreshToken(second, 'AAAAAAAAAAAAAAAAAAAAAA', 1)), { result: 'unknown-key' })
})

t.test('what has not the form of a token is forged', async t => {
  const token = formatRefreshToken(first, 'AAAAAAAAAAAAAAAAAAAAAA', 1)
  for (const text of ['', 'a', token.slice(1), `${token}A`, `${token}=`, ` ${token.slice(1)}`, `${token}\n`, token.slice(0, -1) + '+', `"${token}"`, 'A'.repeat(100_000)]) {
    t.same(parseRefreshToken([first], text), { result: 'forged' }, text.slice(0, 80))
  }
  fc.assert(fc.property(fc.string({ minLength: 75, maxLength: 75 }), text => parseRefreshToken([first], text).result !== 'genuine'))
})
