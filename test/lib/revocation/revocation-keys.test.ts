import fc from 'fast-check'
import t from 'tap'
import type { CredentialClaims } from '../../../lib/revocation/entries.ts'
import { anyJtiKeyAt, credentialKeys, freezeWithKeys, jtiKeyAt, sidKeyAt, subjectKeyAt, subjectKeyOf, tokenKeyOf, writeJtiKey, writeSidKey, writeSubjectKey, type CredentialKeys } from '../../../lib/revocation/revocation-keys.ts'
import { createSid, isSid, shardOfSid } from '../../../lib/session/sid.ts'

const nobody: CredentialClaims = { issuer: null, jti: null, sid: null, subject: null, epoch: null }

function sidKey (sid: string): string {
  const words = new Int32Array(4)
  writeSidKey(sid, words, 0)
  return words.join()
}

function bytesOf (sid: string): string {
  const bytes = Buffer.from(sid, 'base64url')
  return [0, 4, 8, 12].map(at => bytes.readInt32BE(at)).join()
}

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

t.test('a session id is its own key, bit for bit', async t => {
  for (const sid of ['AAAAAAAAAAAAAAAAAAAAAA', '_____________________w', 'AAAAAAAAAAAAAAAAAAAAAQ']) t.equal(sidKey(sid), bytesOf(sid))
  fc.assert(fc.property(fc.string(), subject => {
    const sid = createSid(subject)
    return sidKey(sid) === bytesOf(sid)
  }))
})

t.test('a text that is no canonical session id has another key than the id that it decodes to', async t => {
  for (const text of ['AAAAAAAAAAAAAAAAAAAAAB', 'AAAAAAAAAAAAAAAAAAAAA=', 'AAAAAAAAAAAAAAAAAAAA+A', 'AAAAAAAAAAAAAAAAAAAAAé', 'AAAAAAAAAAAAAAAAAAAAAAA', 'A', '']) {
    t.not(sidKey(text), sidKey('AAAAAAAAAAAAAAAAAAAAAA'), text)
  }
})

t.test('no two kinds, and no two pairs of issuer and id, share a key', async t => {
  const keys = [
    (words: Int32Array) => writeSidKey('a', words, 0),
    (words: Int32Array) => writeSubjectKey('a', words, 0),
    (words: Int32Array) => writeJtiKey('', 'a', words, 0),
    (words: Int32Array) => writeJtiKey('a', '', words, 0),
    (words: Int32Array) => writeJtiKey('i', 'a', words, 0),
    (words: Int32Array) => writeJtiKey('1:i', 'a', words, 0),
    (words: Int32Array) => writeJtiKey('', '1:ia', words, 0)
  ].map(write => {
    const words = new Int32Array(4)
    write(words)
    return words.join()
  })

  t.equal(new Set(keys).size, keys.length)
})

t.test('the keys of a credential are kept with it, and not with what is made of it', async t => {
  const frozen = freezeWithKeys({ issuer: 'i', jti: 'j', sid: 's', subject: 'ada', epoch: 1 }) as CredentialClaims & { [credentialKeys]?: CredentialKeys }
  const keys = frozen[credentialKeys]!

  t.ok(Object.isFrozen(frozen))
  for (const [at, write] of [
    [sidKeyAt, (words: Int32Array) => writeSidKey('s', words, 0)],
    [jtiKeyAt, (words: Int32Array) => writeJtiKey('i', 'j', words, 0)],
    [anyJtiKeyAt, (words: Int32Array) => writeJtiKey('', 'j', words, 0)],
    [subjectKeyAt, (words: Int32Array) => writeSubjectKey('ada', words, 0)]
  ] as const) {
    const words = new Int32Array(4)
    write(words)
    t.same([...keys.subarray(at, at + 4)], [...words])
  }
  t.same({ ...frozen }[credentialKeys], undefined)
  t.same({ ...frozen, sid: 't' }[credentialKeys], undefined)
  t.equal(JSON.stringify(frozen), '{"issuer":"i","jti":"j","sid":"s","subject":"ada","epoch":1}')
  t.same([...(freezeWithKeys({ ...nobody }) as typeof frozen)[credentialKeys]!], new Array(16).fill(0))
})
