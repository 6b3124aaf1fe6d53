import t from 'tap'
import { accessTokenClaimsOf, areAccessTokenClaims, clockToleranceSeconds, type AccessTokenClaims } from '../../../lib/jwt/claims.ts'
import { sessionRecord } from '../../helpers/build-app.ts'

const issuer = 'https://app.example.com'
const now = 1_800_000_000
const good: AccessTokenClaims = {
  iss: issuer, sub: 'ada', aud: ['orders'], exp: now + 600, iat: now, jti: 'j', sid: 's', auth_time: now, acr: '1', amr: ['pwd'], scope: '', client_id: 'portcullis', epoch: 0
}

t.test('claims as we issue them are accepted', async t => {
  t.ok(areAccessTokenClaims(good, issuer, now))
  t.ok(areAccessTokenClaims({ ...good, aud: 'orders', gen: 1, nbf: now, 'https://example.com/own': true }, issuer, now))
})

t.test('a claim that is missing or of another type is refused', async t => {
  for (const name of Object.keys(good)) {
    const { [name as keyof AccessTokenClaims]: _, ...others } = good
    t.notOk(areAccessTokenClaims(others, issuer, now), `without ${name}`)
    for (const value of [null, {}, true]) t.notOk(areAccessTokenClaims({ ...good, [name]: value }, issuer, now), `${name}: ${JSON.stringify(value)}`)
  }
})

t.test('claims of a wrong form are refused', async t => {
  const changes: Array<Record<string, unknown>> = [
    { exp: now + 0.5 }, { exp: String(now + 600) }, { exp: -1 }, { exp: Infinity }, { exp: 2 ** 60 }, { exp: [now + 600] },
    { iat: now - 0.5 }, { iat: String(now) }, { iat: NaN }, { nbf: '0' }, { auth_time: 1.5 },
    { aud: [] }, { aud: '' }, { aud: [''] }, { aud: ['orders', 1] }, { aud: { 0: 'orders' } },
    { sub: '' }, { sub: ['ada'] }, { jti: '' }, { jti: 'a\u0000b' }, { jti: 'a\u009f' }, { jti: 'j'.repeat(1025) }, { sid: 0 }, { scope: ['orders:read'] }, { amr: 'pwd' }, { epoch: -1 }, { epoch: 0.5 }, { epoch: '9' }, { gen: 0 }, { gen: null }
  ]
  for (const change of changes) t.notOk(areAccessTokenClaims({ ...good, ...change }, issuer, now), JSON.stringify(change))
  for (const claims of [null, undefined, [], 'claims', [good]]) t.notOk(areAccessTokenClaims(claims, issuer, now))
})

t.test('another issuer is refused, however alike', async t => {
  for (const iss of [`${issuer}/`, 'https://APP.example.com', 'http://app.example.com', [issuer]]) t.notOk(areAccessTokenClaims({ ...good, iss }, issuer, now), String(iss))
})

t.test('iat and nbf may be ahead of us by the tolerance and no more', async t => {
  const edge = now + clockToleranceSeconds
  t.ok(areAccessTokenClaims({ ...good, iat: edge, nbf: edge }, issuer, now))
  t.notOk(areAccessTokenClaims({ ...good, iat: edge + 1 }, issuer, now))
  t.notOk(areAccessTokenClaims({ ...good, nbf: edge + 1 }, issuer, now))
})

t.test('a token never outlives its session, and tells the generation that it came with', async t => {
  const record = sessionRecord({ expiresAtMs: (now + 60) * 1000 + 999, authTimeMs: now * 1000 + 999, scopes: ['a', 'b'] })
  const grant = { issuer, audience: ['orders'], jti: 'j', ttlSeconds: 600, nowSeconds: now }

  const claims = accessTokenClaimsOf(record, { ...grant, generation: 3 })
  t.match(claims, { exp: now + 60, auth_time: now, scope: 'a b', gen: 3, sub: 'ada', epoch: 1 })
  t.ok(areAccessTokenClaims(claims, issuer, now))
  t.notOk('gen' in accessTokenClaimsOf(record, { ...grant, generation: null }))
})
