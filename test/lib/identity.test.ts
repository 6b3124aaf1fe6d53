import t from 'tap'
import { accessTokenClaimsOf } from '../../lib/jwt/claims.ts'
import { identityOfSession, identityOfToken, type Identity } from '../../lib/identity.ts'
import { identityOfForeign, type ForeignTokenRules } from '../../lib/jwt/foreign-token.ts'
import { sessionRecord } from '../helpers/build-app.ts'

t.test('a session and its token speak for the same subject, in seconds', async t => {
  const record = sessionRecord({ authTimeMs: 1_800_000_000_999, expiresAtMs: 1_800_003_600_999, scopes: ['a', 'b'] })
  const claims = accessTokenClaimsOf(record, { issuer: 'https://app.example.com', audience: ['orders'], jti: 'j', ttlSeconds: 600, nowSeconds: 1_800_000_001, generation: 2 })

  const ofSession = identityOfSession(record)
  const ofToken = identityOfToken(claims)

  t.match(ofSession, { subject: 'ada', sid: record.sid, credential: 'session', audiences: ['orders', 'billing'], scopes: ['a', 'b'], authTime: 1_800_000_000, expiresAt: 1_800_003_600, jti: null, generation: null, epoch: 1 })
  t.match(ofToken, { subject: 'ada', sid: record.sid, credential: 'token', audiences: ['orders'], scopes: ['a', 'b'], authTime: 1_800_000_000, expiresAt: 1_800_000_601, jti: 'j', generation: 2, epoch: 1 })
})

t.test('a token without scopes has none, and a single audience is a list of one', async t => {
  const claims = accessTokenClaimsOf(sessionRecord({ scopes: [] }), { issuer: 'i', audience: ['a'], jti: 'j', ttlSeconds: 60, nowSeconds: 1, generation: null })

  t.match(identityOfToken({ ...claims, aud: 'orders' }), { scopes: [], audiences: ['orders'], generation: null })
  t.same(identityOfToken(claims).scopes, [])
})

t.test('an identity cannot be changed by who reads it', async t => {
  const identity = identityOfSession(sessionRecord())

  t.throws(() => { (identity as { subject: string }).subject = 'eve' }, TypeError)
})

t.test('the lists of an identity cannot be changed either, and the record that it was made from stays as it was', async t => {
  const record = sessionRecord()
  const claims = accessTokenClaimsOf(sessionRecord(), { issuer: 'i', audience: ['a'], jti: 'j', ttlSeconds: 60, nowSeconds: 1, generation: null })
  const rules: ForeignTokenRules = { name: 'corp', issuer: 'https://corp.example', algorithms: ['ES256'], scopes: ['orders:read'], maxTokenAgeSeconds: 60, typ: 'any', ownAudience: 'https://app.example.com' }
  const foreign = identityOfForeign({ iss: rules.issuer, sub: 'bob', aud: 'orders', exp: 2000, iat: 1000, jti: 'j1', amr: ['otp'], scope: 'orders:read' }, rules, 1000) as Identity

  for (const identity of [identityOfSession(record), identityOfToken(claims), foreign]) {
    for (const name of ['audiences', 'scopes', 'amr'] as const) t.throws(() => { (identity[name] as string[]).push('admin') }, TypeError, `${identity.credential} ${name}`)
  }
  record.scopes.push('more')
  t.notOk(Object.isFrozen(record.audiences))
})
