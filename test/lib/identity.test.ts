import t from 'tap'
import { accessTokenClaimsOf } from '../../lib/jwt/claims.ts'
import { identityOfSession, identityOfToken } from '../../lib/identity.ts'
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
