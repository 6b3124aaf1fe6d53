import fc from 'fast-check'
import t from 'tap'
import { sha256 } from '../../../lib/secrets.ts'
import { createCookieSecret, formatSessionCookie, parseSessionCookie, sidLength } from '../../../lib/session/session-cookie.ts'
import { createSid } from '../../../lib/session/sid.ts'

t.test('a cookie tells the session and the secret that it was made of', async () => {
  fc.assert(fc.property(fc.string(), subject => {
    const sid = createSid(subject)
    const { secret } = createCookieSecret()
    const parsed = parseSessionCookie(formatSessionCookie(sid, secret))
    return parsed?.sid === sid && parsed.secret === secret && sid.length === sidLength
  }))
})

t.test('a secret has 256 bits, is new each time, and only its hash is for the record', async t => {
  const { secret, secretHash } = createCookieSecret()

  t.equal(Buffer.from(secret, 'base64url').length, 32)
  t.equal(secretHash, sha256(secret))
  t.equal(new Set(Array.from({ length: 1000 }, () => createCookieSecret().secret)).size, 1000)
})

t.test('only the one canonical form is a session cookie', async t => {
  const sid = 'AAAAAAAAAAAAAAAAAAAAAA'
  const secret = 'A'.repeat(43)
  t.ok(parseSessionCookie(`${sid}.${secret}`))

  for (const value of ['', '.', sid, `${sid}${secret}`, `${sid}.${secret}.`, `${sid}.${secret}=`, ` ${sid}.${secret}`, `${sid}.${secret}\n`, `"${sid}.${secret}"`, `${sid}%2E${secret}`,
    `${sid.slice(1)}B.${secret}`, `${sid}.${secret.slice(1)}B`, `${sid.slice(1)}.${secret}`, `${sid}.${secret.slice(1)}`, `${sid.slice(1)}+.${secret}`, `${sid}.${secret}`.repeat(1000)]) {
    t.equal(parseSessionCookie(value), null, value.slice(0, 80))
  }
})

t.test('what is parsed is exactly what was given', async () => {
  const value = fc.stringMatching(/^[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}$/)
  fc.assert(fc.property(value, value => {
    const parsed = parseSessionCookie(value)
    const canonical = value.split('.').every(part => Buffer.from(part, 'base64url').toString('base64url') === part)
    return canonical ? parsed !== null && formatSessionCookie(parsed.sid, parsed.secret) === value : parsed === null
  }))
})
