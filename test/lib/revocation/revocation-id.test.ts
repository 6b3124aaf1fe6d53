import fc from 'fast-check'
import t from 'tap'
import { subjectKeyOf, tokenKeyOf } from '../../../lib/revocation/revocation-id.ts'
import { createSid, isSid, shardOfSid } from '../../../lib/session/sid.ts'

t.test('a key has the form of a session id', async t => {
  fc.assert(fc.property(fc.string(), fc.string(), (issuer, value) => isSid(tokenKeyOf(issuer, value)) && isSid(subjectKeyOf(value))))
  t.pass()
})

t.test('the sessions of a subject lie in the shard of its key, and all keys of a token in one', async t => {
  fc.assert(fc.property(fc.string(), fc.string(), (issuer, text) =>
    shardOfSid(createSid(text)) === shardOfSid(subjectKeyOf(text)) && shardOfSid(tokenKeyOf(issuer, text)) === shardOfSid(tokenKeyOf('', text))))
  t.pass()
})

t.test('what differs in kind, issuer or value has another key', async t => {
  const keys = [tokenKeyOf('', 'a'), tokenKeyOf('a', ''), tokenKeyOf('a', 'a'), tokenKeyOf('a"', '"a'), subjectKeyOf('a'), subjectKeyOf('jti'), subjectKeyOf('')]
  t.equal(new Set(keys).size, keys.length)
})
