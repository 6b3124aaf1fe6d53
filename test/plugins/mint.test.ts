import { createPublicKey } from 'node:crypto'
import fp from 'fastify-plugin'
import t, { type Test } from 'tap'
import type { Identity } from '../../lib/identity.ts'
import { hasGoodSignature, parseToken } from '../../lib/jwt/jws.ts'
import accessToken from '../../plugins/access-token.ts'
import keys from '../../plugins/keys.ts'
import mint from '../../plugins/mint.ts'
import storePlugin from '../../plugins/store.ts'
import { createFaultyStore, createServer, createStore, decode, origin, secret } from '../helpers/build-app.ts'

async function build (t: Test) {
  const { store } = await createStore(t)
  const faulty = createFaultyStore(store)
  const app = createServer(t)
  await app.register(storePlugin, { type: 'custom', store: faulty.store })
  await app.register(keys, { secret })
  await app.register(accessToken, { issuer: origin })
  await app.register(mint)
  return { app, faulty, mint: app.portcullis.mint, keys: app.portcullis.keys }
}

const now = (): number => Math.floor(Date.now() / 1000)

function identity (changes: Partial<Identity> = {}): Identity {
  return Object.freeze({
    subject: 'ada', sid: 'AAAAAAAAAAAAAAAAAAAAAA', credential: 'session', audiences: ['orders'], scopes: ['a', 'b'], authTime: now() - 60, acr: '1', amr: ['pwd'], epoch: 1, issuer: null, jti: null, generation: null, expiresAt: now() + 86_400, data: null, claims: null, provider: null, ...changes
  })
}

/** Moves the clock of the process to `ms` from now, until the test ends. */
function moveClock (t: Test): (ms: number) => void {
  const { now } = Date
  let offsetMs = 0
  Date.now = () => now() + offsetMs
  t.teardown(() => { Date.now = now })
  return ms => { offsetMs = ms }
}

t.test('an upstream gets a token for it alone, signed with a published key', async t => {
  const { mint, keys } = await build(t)
  const who = identity()

  const token = mint(who, 'orders')
  const { header, claims } = decode(token)

  t.same(header, { alg: 'ES256', typ: 'at+jwt', kid: keys.current().kid })
  t.match(claims, { iss: origin, aud: 'orders', sub: 'ada', sid: who.sid, scope: 'a b', auth_time: who.authTime, acr: '1', amr: ['pwd'] })
  t.same(Object.keys(claims).sort(), ['acr', 'amr', 'aud', 'auth_time', 'exp', 'iat', 'iss', 'jti', 'scope', 'sid', 'sub'])
  const [published] = keys.jwks().keys
  const parts = parseToken(token)
  t.ok(published !== undefined && parts !== null && hasGoodSignature({ algorithm: 'ES256', publicKey: createPublicKey({ key: published, format: 'jwk' }) }, parts.signingInput, parts.signature))
})

t.test('a minted token lives five minutes at most, and never longer than what it stands for', async t => {
  const { mint } = await build(t)
  const long = decode(mint(identity(), 'orders')).claims
  t.equal(Number(long['exp']) - Number(long['iat']), 300)

  const expiresAt = now() + 42
  t.equal(decode(mint(identity({ expiresAt }), 'orders')).claims['exp'], expiresAt)
})

t.test('the same identity gets the same token while it is good, and another one for another audience', async t => {
  const { mint } = await build(t)
  const setClock = moveClock(t)
  const who = identity()
  const token = mint(who, 'orders')

  t.equal(mint(who, 'orders'), token)
  t.not(mint(who, 'billing'), token)
  t.equal(decode(mint(who, 'billing')).claims['aud'], 'billing')
  setClock(235_000)
  t.equal(mint(who, 'orders'), token)
  setClock(241_000)
  t.not(mint(who, 'orders'), token)
})

t.test('an equal identity that is another credential gets a token of its own', async t => {
  const { mint } = await build(t)
  const [before, after] = [identity(), identity({ acr: '2', authTime: now() })]
  const [weak, strong] = [mint(before, 'orders'), mint(after, 'orders')]

  t.match(decode(strong).claims, { acr: '2', auth_time: after.authTime })
  t.equal(mint(before, 'orders'), weak)
  t.match(decode(weak).claims, { acr: '1' })
  t.not(decode(mint(identity(), 'orders')).claims['jti'], decode(mint(identity(), 'orders')).claims['jti'])
})

t.test('a token near the end of its credential is not replaced by a shorter one each time', async t => {
  const { mint } = await build(t)
  const setClock = moveClock(t)
  const who = identity({ expiresAt: now() + 30 })
  const token = mint(who, 'orders')
  setClock(25_000)

  t.equal(mint(who, 'orders'), token)
})

t.test('minting asks the store for nothing, and goes on while it is away', async t => {
  const { mint, faulty } = await build(t)
  const before = { ...faulty.calls }
  faulty.fail()

  for (let i = 0; i < 100; i++) mint(identity(), 'orders')
  t.same(faulty.calls, before)
})

t.test('the plugin does not boot without each of its dependencies, nor with plugins that are only called so', async t => {
  const { store } = await createStore(t)
  const app = createServer(t)
  await app.register(fp(async () => {}, { name: 'access-token' }))
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(keys, { secret })

  await t.rejects(async () => { await app.register(mint) }, { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' })
})

t.test('wrong options are refused by name', async t => {
  const { app } = await build(t)
  const server = createServer(t)
  for (const name of ['keys', 'access-token']) await server.register(fp(async () => {}, { name: `portcullis-${name}` }))
  server.decorate('portcullis', app.portcullis)

  await t.rejects(async () => { await server.register(mint, { ttl: '1h' } as unknown as Parameters<typeof mint>[1]) }, { code: 'PTC_ERR_CONFIG_INVALID', message: 'portcullis-mint: ttl is not an option' })
})
