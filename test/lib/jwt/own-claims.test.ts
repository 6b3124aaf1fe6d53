import t from 'tap'
import { accessTokenClaimsOf, AccessTokenClaims } from '../../../lib/jwt/claims.ts'
import { copyOwnClaims, maxOwnClaimsBytes, ownClaimsOf } from '../../../lib/jwt/own-claims.ts'
import type { TokenClaims } from '../../../lib/own-data.ts'
import { sessionRecord } from '../../helpers/build-app.ts'

const of = (claims: object): TokenClaims => claims as TokenClaims
const written = accessTokenClaimsOf(sessionRecord(), { issuer: 'https://app.example.com', audience: ['orders'], jti: 'j', ttlSeconds: 600, nowSeconds: 1_800_000_000, generation: 3 })

t.test('every claim that the gateway writes or reads is refused by its name, in every spelling that a service may take for it', async t => {
  const names = new Set([...Object.keys(written), ...Object.keys(AccessTokenClaims.properties), 'nonce', 'at_hash', 'c_hash', 's_hash', 'events', 'cnf', 'typ', 'token_use', 'payload', 'header', 'credential'])
  t.ok(names.size > 20)
  for (const name of names) {
    for (const spelt of [name, name.toUpperCase(), `${name[0]!.toUpperCase()}${name.slice(1)}`, `${name}\u200b`, `${name}\0x`, ` ${name}`, name.replaceAll('s', 'ſ'), name.replaceAll('k', '\u212a')]) {
      t.throws(() => copyOwnClaims(of({ tenant: 'acme', [spelt]: 'value' })), { name: 'TypeError', message: new RegExp(`^claims must not have ${name},`) }, spelt)
    }
  }
})

t.test('other claims are copied, and the names of members in them are free', async t => {
  const claims = { tenant: 'acme', roles: ['admin', 'editor'], 'https://example.com/plan': { sub: 'pro', exp: null }, subject: 'x', issuer: 'y' }
  const copied = copyOwnClaims(of(claims))

  t.strictSame(copied, claims)
  t.not((copied as typeof claims).roles, claims.roles)
  t.strictSame(copyOwnClaims(of({})), {})
})

t.test('claims that are no JSON object, or too large, are refused without their values', async t => {
  for (const claims of [null, undefined, 'tenant', ['tenant'], new Date(), Promise.resolve({ tenant: 'acme' })]) t.throws(() => copyOwnClaims(claims as TokenClaims), { name: 'TypeError', message: /^claims must be a plain object/ })
  t.throws(() => copyOwnClaims(of({ tenant: undefined })), { message: /^member 1 of claims is or contains undefined/ })
  const most = { text: 'x'.repeat(maxOwnClaimsBytes - Buffer.byteLength('{"text":""}')) }
  t.strictSame(copyOwnClaims(of(most)), most)
  t.throws(() => copyOwnClaims(of({ text: `${most.text}x` })), { message: 'claims must have at most 1024 bytes as JSON' })
})

t.test('of a verified token the claims that are not those of the gateway are kept, and frozen', async t => {
  const own = { tenant: 'acme', roles: ['admin'], deep: { list: [{}] } }
  const kept = ownClaimsOf({ ...own, ...written }) as typeof own

  t.strictSame(kept, own)
  for (const value of [kept, kept.roles, kept.deep, kept.deep.list, kept.deep.list[0]]) t.ok(Object.isFrozen(value))
  t.strictSame(ownClaimsOf(written), {})
})
