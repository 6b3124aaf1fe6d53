import t from 'tap'
import { isAmbient, schemeOf, schemes } from '../../../plugins/authenticate/schemes.ts'

t.test('every scheme has another name, and is the scheme of its identities', async t => {
  t.equal(new Set(schemes.map(({ name }) => name)).size, schemes.length)
  for (const scheme of schemes) t.equal(schemeOf({ credential: scheme.name }), scheme)
  t.throws(() => schemeOf({ credential: 'other' as 'token' }), TypeError)
})

t.test('browsers add a session cookie by themselves, and no access token', async t => {
  t.equal(isAmbient('session'), true)
  t.equal(isAmbient('token'), false)
  t.equal(isAmbient(undefined), false)
})

t.test('every scheme counts for any access and for public ones', async t => {
  for (const { name, accesses, headers } of schemes) {
    t.ok(accesses.includes('any') && accesses.includes('public'), name)
    t.ok(headers.every(header => header === header.toLowerCase()), name)
  }
})
