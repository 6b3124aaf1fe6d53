import jwt from '@fastify/jwt'
import t, { type Test } from 'tap'
import { createSid } from '../../lib/session/sid.ts'
import errors from '../../plugins/errors.ts'
import blocklist, { type BlocklistOptions, type RevocableClaims, type RevokeRequest } from '../../plugins/blocklist.ts'
import storePlugin from '../../plugins/store.ts'
import type { OpenSession, Store } from '../../stores/store.ts'
import { createFaultyStore, createServer, createStore, until } from '../helpers/build-app.ts'

/*
 * An application signs tokens with its own library, and its users have numbers. What the blocklist reads in another way than it was
 * revoked must not pass as not revoked.
 */

async function build (t: Test, store: Store, options: BlocklistOptions = {}) {
  const app = createServer(t)
  await app.register(errors)
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(blocklist, options)
  return app
}

const now = (): number => Math.floor(Date.now() / 1000)
const code = 'PTC_ERR_CLAIMS_UNIDENTIFIABLE'

t.test('a subject, token or session that is a whole number is its decimal digits', async t => {
  const { store } = await createStore(t)
  const { portcullis: { blocklist } } = await build(t, store)
  await blocklist.revoke({ subject: '42' })
  await blocklist.revoke({ jti: '7' })
  await blocklist.revoke({ sid: '-1' })
  await blocklist.revoke({ subject: '9007199254740993' })

  for (const claims of [{ sub: 42, iat: now() }, { sub: 42n, iat: now() }, { sub: '42', iat: now() }, { jti: 7 }, { jti: 7, iss: 'i' }, { sid: -1 }, { sub: 9007199254740993n }]) t.equal(blocklist.isRevoked(claims), true, Object.keys(claims).join())
  for (const claims of [{ sub: 43, iat: now() }, { sub: '042', iat: now() }, { sub: ' 42', iat: now() }, { sub: '42.0', iat: now() }, { jti: 8 }, { sid: 1 }]) t.equal(blocklist.isRevoked(claims), false, JSON.stringify(claims))
})

const sid = createSid('ada')
const signIn: OpenSession = { subject: 'ada', username: 'ada', mode: 'tokens', secretHash: null, acr: '1', amr: [], scopes: [], audiences: [], client: { userAgent: '', ip: '' }, origin: null, absoluteTimeoutMs: 60_000, maxPerSubject: 2, maxTokenAgeMs: 60_000 }

const unidentifiable: Array<[string, unknown]> = [
  ['none', undefined], ['null', null], ['a text', 'eyJ.a.b'], ['a list', [{ jti: 'j' }]], ['a function', () => {}],
  ['nothing that names', {}], ['an issuer and times alone', { iss: 'i', iat: 1, exp: 2 }], ['names that are null', { jti: null, sid: null, sub: null }],
  ['a promise', Promise.resolve({ jti: 'j' })], ['a decoded token', { header: {}, payload: { jti: 'j' }, signature: 's' }],
  ['a decoded token with names beside', { header: {}, payload: { jti: 'j' }, signature: 's', sub: 'ada' }], ['a payload beside the claims', { payload: { jti: 'j' }, jti: 'other' }],
  ['a verified token of jose with names beside', { payload: { jti: 'j' }, protectedHeader: {}, sid: 's' }], ['a header and a body with names beside', { header: {}, body: { jti: 'j' }, jti: 'other' }],
  ['names that are inherited', Object.create({ jti: 'j' })],
  ...['jti', 'sid', 'sub', 'iss', 'epoch', 'iat'].map((name): [string, unknown] => [`an inherited ${name} beside claims`, Object.assign(Object.create({ [name]: 1 }) as object, { [name === 'sub' ? 'jti' : 'sub']: 'ada' })]),
  ['an instance of a class with a getter', new class { sub = 'ada'; get jti () { return 'j' } }()], ['an inherited getter of nothing', new class { sub = 'ada'; get jti () { return undefined } }()],
  ...['jti', 'sid', 'sub', 'iss'].flatMap((name): Array<[string, unknown]> => [
    '', 'a\0b', 'x'.repeat(1025), '\ud800', true, false, NaN, Infinity, 1.5, 2 ** 53, ['j'], { toString: () => 'j' }, Object.create(null), Object('j'), Symbol('j'), () => 'j', new Date(0), 10n ** 1100n
  ].map(value => [`${name} of type ${typeof value}`, { jti: 'other', [name]: value }])),
  ...[-1, 1.5, 2 ** 53, NaN, '1', Date.now(), 9e10, now() + 86_400, [1], {}, true].flatMap((epoch): Array<[string, unknown]> => [[`epoch ${String(epoch)}`, { sub: 'ada', epoch }], [`epoch ${String(epoch)} beside a sid`, { sub: 'ada', sid, epoch }]]),
  ...[-1, NaN, Infinity, '1796008000', Date.now(), now() + 3600, 1n, [1], {}, true, new Date(0)].map((iat): [string, unknown] => [`iat of type ${typeof iat}`, { sub: 'ada', iat }])
]

t.test('claims that do not tell which token they are of are never "not revoked"', async t => {
  const { store } = await createStore(t)
  const { portcullis: { blocklist } } = await build(t, store)

  for (const [name, claims] of unidentifiable) {
    t.throws(() => blocklist.isRevoked(claims as RevocableClaims), { code, statusCode: 401 }, name)
    await t.rejects(blocklist.assertNotRevoked(claims as RevocableClaims), { code }, name)
  }
})

t.test('the cause tells an author what was given instead of claims', async t => {
  const { store } = await createStore(t)
  const { portcullis: { blocklist } } = await build(t, store)

  for (const [claims, message] of [
    [{ header: {}, payload: { jti: 'j' }, signature: '' }, 'a decoded token was given: give its payload'],
    [Promise.resolve({}), 'a promise was given: await the claims'],
    [{ sub: [] }, /^sub must be a text/],
    [{ sub: 'ada', iat: Date.now() }, /^iat must be a number of seconds/]
  ] as const) t.throws(() => blocklist.isRevoked(claims as RevocableClaims), { cause: { message } }, String(message))
})

t.test('a token without a time of issue counts as issued before every cut, in memory and in the store', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const { portcullis: { blocklist } } = await build(t, faulty.store, { maxStaleness: '500ms' })
  t.equal(blocklist.isRevoked({ sub: 'ada' }), false)
  await blocklist.revoke({ subject: 'ada' })
  t.equal(blocklist.isRevoked({ sub: 'ada' }), true)
  t.equal(blocklist.isRevoked({ sub: 'ada', iat: 0 }), true)
  t.equal(blocklist.isRevoked({ sub: 'ada', iat: now() - 0.5 }), true, 'a fraction of a second is issued in that second')
  t.equal(blocklist.isRevoked({ sub: 'bob' }), false)

  faulty.fail('pull')
  await until(() => !blocklist.isFresh())
  await t.rejects(blocklist.assertNotRevoked({ sub: 'ada' }), { code: 'PTC_ERR_TOKEN_INVALID' })
  await t.resolves(blocklist.assertNotRevoked({ sub: 'bob' }))
  faulty.recover()
  await until(() => blocklist.isFresh())

  t.equal(blocklist.isRevoked({ jti: 'j' }), false)
  await blocklist.revoke({ all: true })
  for (const claims of [{ jti: 'j' }, { sid: 's' }, { sub: 'bob' }, { jti: 'j', iat: 0 }]) t.equal(blocklist.isRevoked(claims), true, JSON.stringify(claims))
})

t.test('each claim is read once, so that a getter cannot name two tokens', async t => {
  const { store } = await createStore(t)
  const { portcullis: { blocklist } } = await build(t, store)
  await blocklist.revoke({ subject: 'ada' })
  const reads: string[] = []
  const values = { sub: 'ada', sid, jti: 'j', iss: 'i', epoch: 0, iat: 0, payload: undefined, header: undefined }
  const claims = Object.defineProperties({}, Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { enumerable: true, get () { return reads.push(name) && value } }])))
  t.equal(blocklist.isRevoked(claims), true)
  t.same(reads.sort(), [...new Set(reads)])
  t.ok(['sub', 'sid', 'jti', 'iss', 'epoch'].every(name => reads.includes(name)))

  t.equal(blocklist.isRevoked({ sub: 'ada', payload: 'a text that an issuer has put into its token' } as object), true)
  t.equal(blocklist.isRevoked(Object.assign(Object.create(null) as object, { sub: 'bob' })), false)
})

t.test('an epoch that no store can have given out does not get a token past a cut', async t => {
  const { store, advance } = await createStore(t)
  const { portcullis: { blocklist } } = await build(t, store)
  await blocklist.revoke({ subject: 'ada' })
  advance(600_000)
  const iat = now() - 60
  for (const claims of [{}, { sid: 'f5b1f3c2-6a2f-4b7e-9d3a-0c4f5f0a7d11' }, { jti: 'j' }]) t.throws(() => blocklist.isRevoked({ sub: 'ada', iat, epoch: 9e10, ...claims }), { code }, JSON.stringify(claims))

  const { record } = await store.open({ ...signIn, subject: 'bob' })
  t.equal(blocklist.isRevoked({ sub: 'bob', sid: record.sid, iat, epoch: record.epoch }), false, 'a session that was opened after the cut')
})

t.test('a session whose subject was cut off many times in one second has an epoch that counts', async t => {
  const { store } = await createStore(t)
  const { portcullis: { blocklist } } = await build(t, store)
  for (let cut = 0; cut < 20; cut++) {
    const { record: { sid, epoch } } = await store.open(signIn)
    t.equal(blocklist.isRevoked({ sub: 'ada', sid, epoch, iat: now() }), false)
    await blocklist.revoke({ subject: 'ada' })
    t.equal(blocklist.isRevoked({ sub: 'ada', sid, epoch, iat: now() }), true)
  }
})

t.test('subjects are compared character by character: composed and decomposed letters are two', async t => {
  const { store } = await createStore(t)
  const { portcullis: { blocklist } } = await build(t, store)
  await blocklist.revoke({ subject: '\u00e9' })

  t.equal(blocklist.isRevoked({ sub: '\u00e9' }), true)
  t.equal(blocklist.isRevoked({ sub: 'e\u0301' }), false)
})

t.test('an author\'s own @fastify/jwt refuses users with numbers once they are revoked, and what cannot be identified', async t => {
  const { store } = await createStore(t)
  const app = await build(t, store)
  await app.register(jwt, { secret: 'an-own-secret-of-the-author', trusted: (_request, claims) => !app.portcullis.blocklist.isRevoked(claims) })
  app.get('/me', async request => await request.jwtVerify())
  const ask = async (claims: object, options: object = {}): Promise<number> => (await app.inject({ url: '/me', headers: { authorization: `Bearer ${app.jwt.sign(claims, options)}` } })).statusCode
  t.equal(await ask({ sub: 42 }), 200)
  t.equal(await ask({ sub: 42 }, { noTimestamp: true }), 200)
  await app.portcullis.blocklist.revoke({ subject: '42' })

  t.equal(await ask({ sub: 42 }), 401)
  t.equal(await ask({ sub: 42 }, { noTimestamp: true }), 401)
  t.equal(await ask({ sub: 43 }), 200)
  t.equal(await ask({ role: 'admin' }), 401)
  t.equal(await ask({ sub: { id: 43 } }), 401)
})

t.test('a revocation whose fields are malformed is refused with a text that names the field, and revokes nothing', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const { portcullis: { blocklist } } = await build(t, faulty.store)
  const seconds = /expiresAt must be an instant in the future, in seconds since the epoch/
  const cases: Array<[object, RegExp]> = [
    [{}, /revoke takes/],
    [{ sid: 's', subject: 'ada' }, /revoke takes/],
    [{ subject: 'ada', expiresAt: now() + 60 }, /revoke takes/],
    [{ subject: 'ada', toString: 'x' }, /revoke takes/],
    ...['jti', 'sid', 'subject'].flatMap(name => [42, 42n, '', 'a\0', '\udfff', 'x'.repeat(1025), null, undefined, ['a'], {}].map((value): [object, RegExp] => [{ [name]: value }, new RegExp(`revoke: ${name} must be a text`)])),
    [{ jti: 'j', issuer: 5 }, /revoke: issuer must be/],
    [{ subject: 'ada', exceptSid: '' }, /revoke: exceptSid must be/],
    ...[Date.now() + 60_000, now() - 60, 900, 0, -1, NaN, Infinity, String(now() + 60), new Date(), null].map((expiresAt): [object, RegExp] => [{ jti: 'j', expiresAt }, seconds])
  ]
  for (const [request, message] of cases) await t.rejects(blocklist.revoke(request as RevokeRequest), { name: 'TypeError', message }, Object.keys(request).join())

  t.equal(blocklist.size, 0)
  for (const method of ['close', 'revokeToken', 'revokeSubject', 'revokeAll'] as const) t.equal(faulty.calls[method], undefined, method)
})

t.test('the exp of a token is taken as it is: with a fraction, and a moment after it', async t => {
  const { store } = await createStore(t)
  const { portcullis: { blocklist } } = await build(t, store)
  await blocklist.revoke({ jti: 'a', expiresAt: now() + 60.25 })
  await blocklist.revoke({ jti: 'b', expiresAt: now() - 1 })

  for (const jti of ['a', 'b']) t.equal(blocklist.isRevoked({ jti }), true, jti)
})

t.test('an entry of the log that would never be in force is no entry', async t => {
  const { store } = await createStore(t)
  const { portcullis: { blocklist } } = await build(t, store)
  for (const entry of [{ kind: 'sid', sid: 's' }, { kind: 'sid', sid: 5, expiresAtMs: 1 }, { kind: 'jti', tokenKey: 'k', expiresAtMs: NaN }, { kind: 'other' }, {}]) t.throws(() => { blocklist.note(entry as never) }, TypeError)
  await blocklist.revoke({ sid: 's' })
  t.throws(() => blocklist.knowsAsRevoked({ issuer: null, jti: 7, sid: null, subject: null, epoch: null } as never), { code })
  t.equal(blocklist.knowsAsRevoked({ sub: 42 } as never), true)
  await blocklist.revoke({ all: true })
  t.equal(blocklist.knowsAsRevoked({ issuer: null, jti: null, sid: null, subject: 'ada', epoch: undefined as never }), true)
})
