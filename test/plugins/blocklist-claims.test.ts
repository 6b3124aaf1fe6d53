import jwt from '@fastify/jwt'
import t, { type Test } from 'tap'
import type { AccessTokenClaims } from '../../lib/jwt/claims.ts'
import { identityOfSession, identityOfToken, type Identity } from '../../lib/identity.ts'
import type { SessionRecord } from '../../lib/session/record.ts'
import { createSid } from '../../lib/session/sid.ts'
import { viewSession } from '../../lib/session/view.ts'
import errors from '../../plugins/errors.ts'
import blocklist, { type BlocklistOptions, type RevocableClaims, type RevokeRequest } from '../../plugins/blocklist.ts'
import storePlugin from '../../plugins/store.ts'
import type { OpenSession, Store } from '../../stores/store.ts'
import { buildApp, createFaultyStore, createServer, createStore, openFamily, openSession, sessionRecord, until } from '../helpers/build-app.ts'

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
  const iat = now()
  await blocklist.revoke({ subject: '42' })
  await blocklist.revoke({ jti: '7' })
  await blocklist.revoke({ sid: '-1' })
  await blocklist.revoke({ subject: '9007199254740993' })

  for (const claims of [{ sub: 42, iat }, { sub: 42n, iat }, { sub: '42', iat }, { jti: 7 }, { jti: 7, iss: 'i' }, { sid: -1 }, { sub: 9007199254740993n }]) t.equal(blocklist.isRevoked(claims), true, Object.keys(claims).join())
  for (const claims of [{ sub: 43, iat }, { sub: '042', iat }, { sub: ' 42', iat }, { sub: '42.0', iat }, { jti: 8 }, { sid: 1 }]) t.equal(blocklist.isRevoked(claims), false, JSON.stringify(claims))
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
  ['a record of a session', sessionRecord()], ['a record in a copy without its sid', { ...sessionRecord(), sid: undefined, jti: 'j' }],
  ['a session as its owner sees it', viewSession(sessionRecord(), 60_000)], ['a response that opens a session', { session: viewSession(sessionRecord(), 60_000) }],
  ['a request to revoke a subject', { subject: 'ada' }], ['a request to revoke a token of an issuer', { jti: 'j', issuer: 'i' }], ['a subject beside a token', { jti: 'j', subject: 'ada' }],
  ['a subject beside a session', { sid: 's', subject: 'ada', sub: null }], ['an inherited subject', Object.assign(Object.create({ subject: 'ada' }) as object, { jti: 'j' })],
  ['a request with an identity', { identity: identityOfSession(sessionRecord()) }], ['an object that inherits from an identity', Object.create(identityOfSession(sessionRecord()))],
  ['a part of an identity', (({ subject, sid, jti, issuer, epoch }) => ({ subject, sid, jti, issuer, epoch }))(identityOfSession(sessionRecord()))],
  ...[['subject', null], ['subject', 42.5], ['epoch', null], ['epoch', undefined], ['epoch', 9e10], ['sid', {}], ['sub', 'bob'], ['iss', 'other']].map(([name, value]): [string, unknown] => [`a copy of an identity with another ${String(name)}`, { ...identityOfSession(sessionRecord()), [String(name)]: value }]),
  ['an instance of a class with an identity\'s getters', new class { readonly sid = 's'; get subject () { return 'ada' } }()],
  ...['jti', 'sid', 'sub', 'iss', 'epoch', 'iat'].map((name): [string, unknown] => [`an inherited ${name} beside claims`, Object.assign(Object.create({ [name]: 1 }) as object, { [name === 'sub' ? 'jti' : 'sub']: 'ada' })]),
  ['an instance of a class with a getter', new class { sub = 'ada'; get jti () { return 'j' } }()], ['an inherited getter of nothing', new class { sub = 'ada'; get jti () { return undefined } }()],
  ...['jti', 'sid', 'sub', 'iss'].flatMap((name): Array<[string, unknown]> => [
    '', 'a\0b', 'x'.repeat(1025), '\ud800', true, false, NaN, Infinity, 1.5, 2 ** 53, ['j'], { toString: () => 'j' }, Object.create(null), Object('j'), Symbol('j'), () => 'j', new Date(0), 10n ** 1100n
  ].map(value => [`${name} of type ${typeof value}`, { jti: 'other', [name]: value }])),
  ...[-1, 1.5, 2 ** 53, NaN, '1', Date.now(), 9e10, now() + 86_400, [1], {}, true].flatMap((epoch): Array<[string, unknown]> => [[`epoch ${String(epoch)}`, { sub: 'ada', epoch }], [`epoch ${String(epoch)} beside a sid`, { sub: 'ada', sid, epoch }]]),
  ...[-1, NaN, Infinity, '1796008000', Date.now(), now() + 3600, 1n, [1], {}, true, new Date(0)].map((iat): [string, unknown] => [`iat of type ${typeof iat}`, { sub: 'ada', iat }])
]

/** Every form in which an identity may reach the blocklist. */
function formsOf (identity: Identity): Array<[string, Identity]> {
  class Caller { constructor () { Object.assign(this, identity) } }
  return [
    ['itself', identity], ['a copy', { ...identity }], ['a frozen copy', Object.freeze({ ...identity })], ['a structured clone', structuredClone(identity)],
    ['JSON', JSON.parse(JSON.stringify(identity)) as Identity], ['an instance of a class', new Caller() as Identity], ['a proxy', new Proxy(identity, {})],
    ['a copy with sub and iss', { ...identity, sub: identity.subject, iss: identity.issuer } as Identity]
  ]
}

t.test('an identity is judged as the hook of authenticate judges it, from memory and from the store, in every form', async t => {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const { portcullis: { blocklist } } = await build(t, faulty.store, { maxStaleness: '500ms' })
  const { record } = await store.open(signIn)
  const spared = (await store.open(signIn)).record
  const other = (await store.open({ ...signIn, subject: 'bob' })).record
  const issued = (session: SessionRecord, jti: string): Identity => identityOfToken({ iss: 'i', sub: session.subject, aud: 'orders', sid: session.sid, jti, iat: now(), exp: now() + 60, epoch: session.epoch, scope: '', auth_time: now(), acr: '1', amr: [] } as unknown as AccessTokenClaims)
  const foreign = (subject: string, epoch: number): Identity => ({ ...identityOfSession(sessionRecord()), subject, sid: null, credential: 'token', issuer: 'https://corp.example', jti: null, epoch })
  await blocklist.revoke({ subject: 'ada', exceptSid: spared.sid })
  await blocklist.revoke({ subject: 'corp|ada' })
  await blocklist.revoke({ jti: 'revoked', issuer: 'i' })
  const revoked = { session: identityOfSession(record), token: issued(record, 'a'), 'token of another issuer': foreign('corp|ada', now() - 60), 'token by its jti': issued(other, 'revoked') }
  const valid = { session: identityOfSession(other), 'spared session': identityOfSession(spared), token: issued(other, 'b'), 'token of another issuer': foreign('corp|bob', now() - 60) }
  const judgeAll = async (isRevoked: (identity: Identity) => boolean | Promise<boolean>): Promise<void> => {
    for (const [name, identity] of Object.entries(revoked)) for (const [form, given] of formsOf(identity)) t.equal(await isRevoked(given), true, `revoked ${name}, ${form}`)
    for (const [name, identity] of Object.entries(valid)) for (const [form, given] of formsOf(identity)) t.equal(await isRevoked(given), false, `valid ${name}, ${form}`)
  }
  const asserted = async (identity: Identity): Promise<boolean> => await blocklist.assertNotRevoked(identity).then(() => false, ({ code }: { code: string }) => code === 'PTC_ERR_TOKEN_INVALID')

  await judgeAll(identity => blocklist.isRevoked(identity))
  await judgeAll(asserted)
  faulty.fail('pull')
  await until(() => !blocklist.isFresh())
  await judgeAll(asserted)
})

t.test('an identity that accessToken.verify returns, or that a request has, is refused after a sign-out everywhere', async t => {
  const { store } = await createStore(t)
  const seen: boolean[] = []
  const app = await buildApp(t, store, {}, app => {
    app.get('/', { onRequest: app.portcullis.authenticate({ audience: 'orders' }) }, async ({ identity }) => {
      await app.portcullis.blocklist.revoke({ subject: identity.subject })
      return { isRevoked: app.portcullis.blocklist.isRevoked(identity) }
    })
  })
  const { cookie } = await openSession(app)
  const { token } = await openFamily(app)
  const identity = await app.portcullis.accessToken.verify(token)
  seen.push(app.portcullis.blocklist.isRevoked(identity))
  t.same((await app.inject({ url: '/', headers: { cookie } })).json(), { isRevoked: true })
  seen.push(app.portcullis.blocklist.isRevoked(identity))

  t.same(seen, [false, true])
  await t.rejects(app.portcullis.blocklist.assertNotRevoked(identity), { code: 'PTC_ERR_TOKEN_INVALID' })
  t.throws(() => app.portcullis.blocklist.isRevoked(Promise.resolve(identity) as object), { code, cause: { message: 'a promise was given: await the claims' } })
})

t.test('a payload may have a claim of its own that is called subject or issuer, beside sub and iss', async t => {
  const { store } = await createStore(t)
  const { portcullis: { blocklist } } = await build(t, store)
  await blocklist.revoke({ subject: 'ada' })

  t.equal(blocklist.isRevoked({ sub: 'ada', subject: 'Mathematics' } as RevocableClaims), true)
  t.equal(blocklist.isRevoked({ sub: 'bob', subject: 'ada', issuer: 'school' } as RevocableClaims), false)
  t.equal(blocklist.isRevoked({ jti: 'j', iss: 'i', issuer: 'school' } as RevocableClaims), false)
})

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
    [sessionRecord(), /^subject was given without sub: pass the payload of a token .* or a whole identity such as request\.identity$/],
    [{ jti: 'j', issuer: 'i' }, /^issuer was given without iss: pass the payload/],
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
