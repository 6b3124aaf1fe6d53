import t from 'tap'
import { identityOfForeign, keyNameOfForeign, type ForeignTokenRules } from '../../../lib/jwt/foreign-token.ts'

const rules: ForeignTokenRules = { name: 'idp', issuer: 'https://idp.example.com', algorithms: ['EdDSA', 'ES256'], scopes: ['orders:read'], maxTokenAgeSeconds: 3600, typ: 'at+jwt', ownAudience: 'https://app.example.com' }
const good = { iss: rules.issuer, sub: 'bob', aud: 'orders', exp: 2000, iat: 1000, jti: 'j1' }

t.test('the reason for a refusal names the claim, never its value', async t => {
  for (const [changes, reason] of [
    [{ scope: ['zebra'] }, 'the claim scope is not of its type (RFC 9068)'],
    [{ acr: null }, 'the claim acr is not of its type (RFC 9068)'],
    [{ exp: '2000' }, 'the claim exp is not of its type (RFC 9068)'],
    [{ sub: 'zebra\n' }, 'the claim sub is not of its type (RFC 9068)'],
    [{ amr: ['otp', 1] }, 'the claim amr is not of its type (RFC 9068)'],
    [{ jti: undefined }, 'the claim jti is missing'],
    [{ iat: 1006 }, 'the claim iat is in the future'],
    [{ nbf: 1006 }, 'the claim nbf is in the future'],
    [{ auth_time: 1006 }, 'the claim auth_time is in the future'],
    [{ iss: 'https://zebra.example' }, 'the claim iss is not the issuer'],
    [{ nonce: 'zebra' }, 'the claim nonce is that of another kind of token'],
    [{ token_use: 'id' }, 'the claim token_use is that of another kind of token'],
    [{ typ: 'Refresh' }, 'the claim typ is that of another kind of token'],
    [{ acr: '\ud800' }, 'the claim acr is no text in UTF-8']
  ] as const) {
    const claims = Object.fromEntries(Object.entries({ ...good, ...changes }).filter(([, value]) => value !== undefined))
    t.equal(identityOfForeign(claims, rules, 1000), reason, JSON.stringify(changes))
  }
})

t.test('an instant may have a fraction: a token ends with the second in which it expires', async t => {
  t.match(identityOfForeign({ ...good, exp: 1990.9, iat: 1000.5, auth_time: 999.9 }, rules, 1000), { expiresAt: 1990, epoch: 995, authTime: 999 })
  t.match(identityOfForeign({ ...good, exp: 9000, iat: 1000.5 }, rules, 1000), { expiresAt: 4600 })
})

t.test('the reason for a refused header names the parameter', async t => {
  for (const [header, reason] of [
    [{ alg: 'RS256', typ: 'at+jwt' }, 'its alg is none of the configured algorithms of this issuer'],
    [{ alg: 'none', typ: 'at+jwt' }, 'its alg is none of the configured algorithms of this issuer'],
    [{ alg: 'ES256', typ: 'JWT' }, 'its typ is not that of an access token (typ of the issuer is at+jwt)'],
    [{ alg: 'ES256', typ: 'at+jwt', crit: ['exp'] }, 'its header has the parameter crit'],
    [{ alg: 'ES256', typ: 'at+jwt', kid: 7 }, 'its kid is no text of 1 to 256 characters']
  ] as const) t.equal(keyNameOfForeign(header, rules), reason)
  t.same(keyNameOfForeign({ alg: 'Ed25519', typ: 'at+jwt', kid: 'k' }, rules), { kid: 'k', algorithm: 'EdDSA' })
})
