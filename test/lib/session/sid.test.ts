import fc from 'fast-check'
import t from 'tap'
import { createSid, isSid, maxShards, shardOfSid, shardOfText, createCookieSecret, formatSessionCookie, parseSessionCookie, sidLength } from '../../../lib/session/sid.ts'
import { sha256 } from '../../../lib/secrets.ts'

t.test('a session id is canonical and lies in the shard of its subject', async () => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), subject => {
    const sid = createSid(subject)
    return isSid(sid) && shardOfSid(sid) === shardOfText(subject) && Buffer.from(sid, 'base64url').toString('base64url') === sid
  }))
})

t.test('session ids of one subject do not repeat, and all shards are used', async t => {
  t.equal(new Set(Array.from({ length: 10_000 }, () => createSid('ada'))).size, 10_000)
  t.equal(new Set(Array.from({ length: 1000 }, (_, i) => shardOfText(`subject ${i}`))).size, maxShards)
})

t.test('no session id begins with a dash, which a command line would take for an option', async t => {
  t.notOk(Array.from({ length: 20_000 }, (_, i) => createSid(`subject ${i}`)).some(sid => sid.startsWith('-')))
})

t.test('any text has a shard, and only 22 canonical characters are a session id', async t => {
  for (const text of ['', '!', 'A'.repeat(21), 'A'.repeat(23), 'AAAAAAAAAAAAAAAAAAAAAB', `${'A'.repeat(21)}=`, `${'A'.repeat(22)}\n`, `${'A'.repeat(21)} `]) {
    t.notOk(isSid(text), JSON.stringify(text))
    t.ok(shardOfSid(text) >= 0 && shardOfSid(text) < maxShards)
  }
})

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
