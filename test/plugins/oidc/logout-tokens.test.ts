import { createHmac } from 'node:crypto'
import { inspect } from 'node:util'
import t, { type Test } from 'tap'
import type { Provider } from '../../../plugins/oidc/provider.ts'
import { encode, foreignKey, signForeign } from '../../helpers/foreign-issuer.ts'
import { clientFor, clientId, clientSecret, signInAt, startHostileProvider, type HostileProvider } from '../../helpers/hostile-provider.ts'

/* Logout tokens (OpenID Connect Back-Channel Logout 1.0, section 2.6), each with one fault. */

const event = 'http://schemas.openid.net/event/backchannel-logout'
const now = (): number => Math.floor(Date.now() / 1000)

async function start (t: Test): Promise<{ provider: HostileProvider, client: Provider }> {
  const provider = await startHostileProvider(t)
  const client = await clientFor(t, provider)
  await signInAt(provider, client)
  return { provider, client }
}

const claimsOf = ({ issuer }: HostileProvider, changes: Record<string, unknown> = {}): Record<string, unknown> => ({ iss: issuer, aud: clientId, iat: now(), exp: now() + 120, jti: 'logout-1', sub: 'ada', sid: 'sid-1', events: { [event]: {} }, ...changes })
const header = { alg: 'ES256', typ: 'logout+jwt', kid: 'k1' }

async function outcome (client: Provider, token: string): Promise<[code: string | undefined, reason: string | undefined]> {
  const error: unknown = await client.verifyLogoutToken(token).then(() => null, (error: unknown) => error)
  const { code, cause } = (error ?? {}) as { code?: string, cause?: Error }
  return [code, cause?.message]
}

const valid: Array<[changes: Record<string, unknown>, expected: { sub: string | null, sid: string | null }]> = [
  [{}, { sub: 'ada', sid: 'sid-1' }],
  [{ sid: undefined }, { sub: 'ada', sid: null }],
  [{ sub: undefined }, { sub: null, sid: 'sid-1' }],
  [{ aud: ['other', clientId] }, { sub: 'ada', sid: 'sid-1' }],
  [{ exp: undefined }, { sub: 'ada', sid: 'sid-1' }],
  [{ exp: now() - 3 }, { sub: 'ada', sid: 'sid-1' }],
  [{ iat: now() - 3500 }, { sub: 'ada', sid: 'sid-1' }],
  [{ iat: now() + 3 }, { sub: 'ada', sid: 'sid-1' }],
  [{ events: { [event]: { x: 1 }, other: {} } }, { sub: 'ada', sid: 'sid-1' }],
  [{ sub: 'a|b' }, { sub: 'a|b', sid: 'sid-1' }]
]

t.test('a logout token names the user or the session at the provider, and is remembered for as long as it could come again', async t => {
  const { provider, client } = await start(t)
  for (const [changes, expected] of valid) {
    const logout = await client.verifyLogoutToken(signForeign(provider.key, claimsOf(provider, changes), header))
    t.match(logout, { ...expected, jti: 'logout-1' }, inspect(changes))
    const iat = (changes['iat'] as number | undefined) ?? now()
    t.ok(logout.keepJtiForMs >= (iat + 3600 + 5 - now()) * 1000, 'remembered')
  }
  for (const typ of ['JWT', 'jwt', undefined, 'application/logout+jwt', 'LOGOUT+JWT']) t.match(await client.verifyLogoutToken(signForeign(provider.key, claimsOf(provider), { ...header, typ })), { sub: 'ada' }, String(typ))
})

const malformed: Record<string, unknown>[] = [
  { iss: undefined }, { iss: 'https://other.example.com' }, { iss: [] }, { iss: null },
  { aud: undefined }, { aud: 'other' }, { aud: [] }, { aud: ['other'] }, { aud: [[clientId]] }, { aud: { 0: clientId } }, { aud: null },
  { iat: undefined }, { iat: now() + 60 }, { iat: now() - 7200 }, { iat: String(now()) }, { iat: null }, { iat: [now()] },
  { exp: now() - 60 }, { exp: String(now() + 60) }, { exp: null }, { exp: [now() + 60] },
  { nonce: 'n' }, { nonce: '' }, { nonce: null },
  { events: undefined }, { events: {} }, { events: null }, { events: [event] }, { events: event }, { events: { [event]: true } }, { events: { [event]: null } }, { events: { [event]: [] } }, { events: { [`${event}/`]: {} } }, { events: { [event.toUpperCase()]: {} } },
  { jti: undefined }, { jti: '' }, { jti: 5 }, { jti: ['a'] }, { jti: 'x'.repeat(1025) }, { jti: '\ud800' }, { jti: 'a\0b' },
  { sub: undefined, sid: undefined }, { sub: null, sid: null }, { sub: '' }, { sid: '' }, { sub: 5 }, { sid: 5 }, { sub: ['ada'] }, { sid: {} }, { sub: 'x'.repeat(1025) }, { sid: 'x'.repeat(1025) }, { sub: '\ud800' }, { sid: '\udc00' }, { sub: 'a\0b' }, { sid: 'a\0b' }
]

t.test('a logout token with a wrong claim ends nothing', async t => {
  const { provider, client } = await start(t)
  for (const changes of malformed) {
    const [code, reason] = await outcome(client, signForeign(provider.key, claimsOf(provider, changes), header))
    t.equal(code, 'PTC_ERR_LOGOUT_TOKEN_INVALID', inspect(changes).slice(0, 80))
    t.match(reason, /^[\w ,-]+$/)
  }
  for (const count of [1, 2]) {
    const claims = JSON.stringify(claimsOf(provider)).replace('{', count === 1 ? '{"__proto__":{},' : '{"sub":"eve",')
    t.equal((await outcome(client, signForeign(provider.key, claims, header)))[0], count === 1 ? undefined : 'PTC_ERR_LOGOUT_TOKEN_INVALID')
  }
})

t.test('a token of another kind ends nothing', async t => {
  const { provider, client } = await start(t)
  const idToken = signForeign(provider.key, provider.idTokenClaims('ada', 'n'), { alg: 'ES256', kid: 'k1', typ: 'JWT' })
  t.match(await outcome(client, idToken), ['PTC_ERR_LOGOUT_TOKEN_INVALID', 'with a nonce, so an ID token'])
  for (const typ of ['at+jwt', 'dpop+jwt', 'secevent+jwt', 'id_token', '', 5, null, ['logout+jwt']]) t.equal((await outcome(client, signForeign(provider.key, claimsOf(provider), { ...header, typ })))[0], 'PTC_ERR_LOGOUT_TOKEN_INVALID', String(typ))
})

t.test('a signature that is not that of the provider ends nothing, and asks the provider for nothing where no key could help', async t => {
  const { provider, client } = await start(t)
  const good = signForeign(provider.key, claimsOf(provider), header)
  const [head = '', payload = '', signature = ''] = good.split('.')
  const none = encode({ ...header, alg: 'none' })
  const hs256 = encode({ ...header, alg: 'HS256' })
  const tokens: Record<string, string> = {
    none: `${none}.${payload}.`,
    'none with a signature': `${none}.${payload}.${signature}`,
    'secret of the client': `${hs256}.${payload}.${createHmac('sha256', clientSecret).update(`${hs256}.${payload}`).digest('base64url')}`,
    'public key': `${hs256}.${payload}.${createHmac('sha256', provider.key.publicKey.export({ type: 'spki', format: 'pem' })).update(`${hs256}.${payload}`).digest('base64url')}`,
    'key of the header': signForeign(foreignKey('k1'), claimsOf(provider), { ...header, jwk: foreignKey('k1').jwk }),
    critical: signForeign(provider.key, claimsOf(provider), { ...header, crit: ['x'], x: 1 }),
    'other claims': `${head}.${encode(claimsOf(provider, { sub: 'eve' }))}.${signature}`,
    'no signature': `${head}.${payload}.`,
    'not canonical': `${good}=`,
    spaces: ` ${good}`,
    lines: good.replace('.', '.\n'),
    empty: '',
    'five parts': 'a.b.c.d.e',
    huge: `${head}.${'e'.repeat(20_000)}.${signature}`
  }
  for (const [name, token] of Object.entries(tokens)) t.equal((await outcome(client, token))[0], 'PTC_ERR_LOGOUT_TOKEN_INVALID', name)
  t.equal(provider.count('keys'), 1)
  for (let index = 0; index < 50; index++) t.equal((await outcome(client, signForeign(foreignKey(`forged-${index}`), claimsOf(provider), { ...header, kid: `forged-${index}` })))[0], 'PTC_ERR_PROVIDER_UNAVAILABLE', 'the key may be new')
  t.equal(provider.count('keys'), 1, 'however many keys are invented')
  t.equal((await outcome(client, good))[0], undefined)
})
