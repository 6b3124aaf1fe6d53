import type { FastifyRequest } from 'fastify'
import t from 'tap'
import { accessTokenClaimsOf } from '../../../lib/jwt/claims.ts'
import { copyOwnClaims, maxOwnClaimsBytes } from '../../../lib/jwt/own-claims.ts'
import { parseToken } from '../../../lib/jwt/jws.ts'
import type { SessionData, TokenClaims } from '../../../lib/own-data.ts'
import type { Strength } from '../../../lib/session/authentication.ts'
import { checkStrength, describeSignIn, type SignIn } from '../../../lib/session/sign-in.ts'
import { sessionRecord } from '../../helpers/build-app.ts'

function request (userAgent?: string): FastifyRequest {
  return { headers: userAgent === undefined ? {} : { 'user-agent': userAgent }, ip: '192.0.2.1' } as unknown as FastifyRequest
}

t.test('a subject alone gets no scopes, no audiences, and the weakest authentication', async t => {
  t.same(describeSignIn(request(), { subject: 'ada' }), { subject: 'ada', username: 'ada', scopes: [], audiences: [], acr: '1', amr: ['pwd'], client: { userAgent: '', ip: '192.0.2.1' }, data: {} })
})

t.test('what was said of the sign-in is kept', async t => {
  const signIn = { subject: 'ada', scopes: ['a'], audiences: ['orders'], acr: '2', amr: ['pwd', 'otp'] }

  t.match(describeSignIn(request('agent'), signIn), { ...signIn, client: { userAgent: 'agent' } })
})

t.test('a long user agent is cut', async t => {
  t.equal(describeSignIn(request('x'.repeat(10_000)), { subject: 'ada' }).client.userAgent, 'x'.repeat(256))
})

t.test('a sign-in of nobody is refused', async t => {
  for (const subject of ['', null, undefined, 0, {}, ['ada']]) {
    t.throws(() => describeSignIn(request(), { subject: subject as string }), { code: 'PTC_ERR_LOGIN_REFUSED' }, JSON.stringify(subject))
  }
})

const bad: Array<[field: string, changes: object]> = [
  ['scopes', { scopes: ['a b'] }], ['scopes', { scopes: [''] }], ['scopes', { scopes: 'a b' }], ['scopes', { scopes: null }], ['scopes', { scopes: [1] }], ['scopes', { scopes: ['"'] }], ['scopes', { scopes: new Array(1) }],
  ['scopes', { scopes: ['é'] }], ['scopes', { scopes: ['a\n'] }], ['scopes', { scopes: new Set(['a']) }], ['scopes', { scopes: ['x'.repeat(9001)] }],
  ['audiences', { audiences: ['x', ''] }], ['audiences', { audiences: ['x', 5] }], ['audiences', { audiences: 'orders' }], ['audiences', { audiences: null }], ['audiences', { audiences: ['\ud800'] }], ['audiences', { audiences: ['a\u0000'] }], ['audiences', { audiences: new Array(1) }],
  ['acr', { acr: 2 }], ['acr', { acr: null }], ['acr', { acr: ['1'] }], ['acr', { acr: '1\n' }], ['acr', { acr: '\udfff' }],
  ['amr', { amr: 'pwd' }], ['amr', { amr: [1] }], ['amr', { amr: null }], ['amr', { amr: [''] }], ['amr', { amr: [null] }], ['amr', { amr: new Array(1) }], ['amr', { amr: ['p\u0085'] }],
  ['username', { username: '' }], ['username', { username: 5 }], ['username', { username: null }],
  ['bytes together', { audiences: ['"'.repeat(6000)] }], ['bytes together', { audiences: ['\\'.repeat(6000)] }], ['bytes together', { amr: ['é'.repeat(6000)] }], ['bytes together', { acr: '証'.repeat(4000) }], ['bytes together', { scopes: ['x'.repeat(9000)], audiences: ['x'.repeat(2000)] }],
  ['bytes together', { subject: '証'.repeat(1024), scopes: ['x'.repeat(9000)] }]
]

t.test('a demand for a second factor is no sign-in, although it names a subject', async t => {
  t.throws(() => describeSignIn(request(), { challenge: 'otp', state: 1, subject: 'ada' } as SignIn), { name: 'TypeError', message: /second factor/ })
})

t.test('values that a credential could not carry are refused by name', async t => {
  for (const [field, changes] of bad) t.throws(() => describeSignIn(request(), { subject: 'ada', ...changes }), { name: 'TypeError', message: new RegExp(field) }, JSON.stringify(changes).slice(0, 80))
})

t.test('an access token with the largest sign-in and the largest claims of the application is accepted', async t => {
  const largest = [
    { subject: 'x'.repeat(255), scopes: ['x'.repeat(9000)], audiences: ['y'.repeat(690)] },
    { subject: '\u0001'.repeat(1024), audiences: ['"'.repeat(1900)] },
    { subject: 'ada', audiences: Array.from({ length: 2450 }, () => 'a') }
  ]
  for (const signIn of largest) {
    const record = { ...sessionRecord(), ...describeSignIn(request(), signIn), epoch: Number.MAX_SAFE_INTEGER }
    const own = copyOwnClaims({ text: '"'.repeat((maxOwnClaimsBytes - 11) / 2) } as TokenClaims)
    const claims = accessTokenClaimsOf(record, { issuer: `https://${'x'.repeat(253)}:65535`, audience: record.audiences, jti: 'x'.repeat(22), ttlSeconds: 600, nowSeconds: 1_800_000_000, generation: Number.MAX_SAFE_INTEGER })
    const header = Buffer.from(JSON.stringify({ alg: 'RS256', typ: 'at+jwt', kid: 'x'.repeat(43) })).toString('base64url')
    const token = [header, Buffer.from(JSON.stringify({ ...own, ...claims })).toString('base64url'), Buffer.alloc(256).toString('base64url')].join('.')
    t.not(parseToken(token), null, String(token.length))
  }
})

t.test('the data of a session is a copy, and what cannot be kept is refused by name', async t => {
  const data = { cart: ['book'] }
  const described = describeSignIn(request(), { subject: 'ada', data: data as SessionData })
  data.cart.push('pen')

  t.strictSame(described.data, { cart: ['book'] })
  for (const wrong of [null, 'text', ['list'], { at: new Date() }, { cart: undefined }, { text: 'x'.repeat(4096) }]) t.throws(() => describeSignIn(request(), { subject: 'ada', data: wrong as SessionData }), { name: 'TypeError', message: /of data|^data/ })
})

t.test('the lists of a sign-in are copied', async t => {
  const given = { subject: 'ada', scopes: ['a'], audiences: ['orders'], amr: ['pwd'] }
  const described = describeSignIn(request(), given)
  given.scopes.push('admin')
  given.audiences.push('billing')
  given.amr.push('otp')

  t.match(described, { scopes: ['a'], audiences: ['orders'], amr: ['pwd'] })
  t.same([described.scopes.length, described.audiences.length, described.amr.length], [1, 1, 1])
})

t.test('a step-up is refused by the name of the field too', async t => {
  for (const [field, fresh] of [['acr', {}], ['amr', { acr: '1' }], ['acr', { acr: 2, amr: ['pwd'] }], ['amr', { acr: '2', amr: 'otp' }], ['amr', { acr: '2', amr: [1] }]] as const) {
    t.throws(() => checkStrength(fresh as unknown as Strength), { name: 'TypeError', message: new RegExp(`^${field}`) }, JSON.stringify(fresh))
  }
  t.same(checkStrength({ acr: '', amr: [] }), { acr: '', amr: [] }, 'nothing is claimed')
})
