import fc from 'fast-check'
import t from 'tap'
import { createSid, isSid, maxShards, shardOfSid, shardOfText } from '../../../lib/session/sid.ts'

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
