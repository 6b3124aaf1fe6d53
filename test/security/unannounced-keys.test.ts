import type { FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import issuers, { type IssuersOptions } from '../../plugins/issuers.ts'
import { buildApp, createStore } from '../helpers/build-app.ts'
import { foreignClaims, foreignKey, publish, signForeign, startKeyServer, type KeyServer } from '../helpers/foreign-issuer.ts'

/*
 * An issuer changes its keys without a new name for them: it uses no kid, or the same one again. Its tokens are good, although no known
 * key fits. An attacker sends tokens that look the same and that no key fits at all.
 */

const idp = 'https://idp.example.com'
const [old, next, mallory] = [foreignKey('k1'), foreignKey('k1'), foreignKey('k1')]
const withoutKid = { alg: 'ES256', typ: 'at+jwt' }

async function build (t: Test, { url }: KeyServer, options: Partial<IssuersOptions> = {}): Promise<FastifyInstance> {
  const { store } = await createStore(t)
  const app = await buildApp(t, store, { blocklist: { maxForeignTokenAge: '1h' } }, async app => {
    await app.register(issuers, { issuers: [{ name: 'idp', issuer: idp, keys: { url: `${url}/jwks` }, algorithms: ['ES256', 'ES384'], scopes: ['orders:read'] }], ...options })
    app.get('/me', { onRequest: app.portcullis.authenticate({ audience: 'orders' }) }, () => ({}))
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return app
}

async function get (app: FastifyInstance, token: string): Promise<{ status: number, retryAfter: string | null }> {
  const { port } = app.server.address() as AddressInfo
  const response = await fetch(`http://127.0.0.1:${port}/me`, { headers: { authorization: `Bearer ${token}` } })
  await response.arrayBuffer()
  return { status: response.status, retryAfter: response.headers.get('retry-after') }
}

function issuedAgo (seconds: number): Record<string, unknown> {
  return foreignClaims(idp, { iat: Math.floor(Date.now() / 1000) - seconds })
}

t.test('a token of a key that the gateway cannot know yet is asked to come again, with a new kid, a reused one or none', async t => {
  const server = await startKeyServer(t, [old])
  const app = await build(t, server)
  const other = foreignKey('k1', 'ES384')
  const renamed = { ...next, kid: 'k2' }
  for (const header of [undefined, withoutKid]) t.equal((await get(app, signForeign(old, foreignClaims(idp), header))).status, 200)
  server.answer = publish([next, other])

  const tokens = {
    'a reused kid': signForeign(next, foreignClaims(idp)),
    'no kid': signForeign(next, foreignClaims(idp), withoutKid),
    'a reused kid for another algorithm': signForeign(other, foreignClaims(idp)),
    'no kid and another algorithm': signForeign(other, foreignClaims(idp), { ...withoutKid, alg: 'ES384' }),
    'a new kid, issued ten seconds before the keys were read': signForeign(renamed, issuedAgo(10)),
    'no kid, issued ten seconds before the keys were read': signForeign(next, issuedAgo(10), withoutKid)
  }
  for (const [name, token] of Object.entries(tokens)) t.match(await get(app, token), { status: 503, retryAfter: /^(?:[1-9]|[12]\d|30)$/ }, name)

  t.equal(server.requests.length, 1, 'the cool-down holds')
  t.equal((await get(app, signForeign(old, foreignClaims(idp)))).status, 200, 'the known key is still good')
})

t.test('the first such token after the cool-down makes the gateway read the keys, and is accepted', async t => {
  for (const header of [undefined, withoutKid]) {
    const server = await startKeyServer(t, [old])
    const app = await build(t, server, { coolDown: '20ms' })
    const before = signForeign(old, foreignClaims(idp), header)
    t.equal((await get(app, before)).status, 200)
    server.answer = publish([next])
    await wait(25)

    t.equal((await get(app, signForeign(next, foreignClaims(idp, { jti: 'j2' }), header))).status, 200)

    t.equal(server.requests.length, 2)
    t.not((await get(app, before)).status, 200, 'the key that was replaced is worth nothing')
  }
})

t.test('a cache that states the age of the keys makes them as old as it says', async t => {
  const server = await startKeyServer(t, [])
  server.answer = (request, response) => { response.setHeader('age', '120'); publish([old])(request, response) }
  const app = await build(t, server)
  t.equal((await get(app, signForeign(old, foreignClaims(idp)))).status, 200)

  t.equal((await get(app, signForeign({ ...next, kid: 'k2' }, issuedAgo(100)))).status, 503)
  t.equal((await get(app, signForeign({ ...next, kid: 'k2' }, issuedAgo(200)))).status, 401)
})

t.test('an age that is no number, or of a year, does not keep every unknown key open', async t => {
  for (const age of ['-1', 'x', '1e9', '31536000']) {
    const server = await startKeyServer(t, [])
    server.answer = (request, response) => { response.setHeader('age', age); publish([old])(request, response) }
    const app = await build(t, server)
    t.equal((await get(app, signForeign(old, foreignClaims(idp)))).status, 200)
    t.equal((await get(app, signForeign({ ...next, kid: 'k2' }, issuedAgo(age === '31536000' ? 3700 : 100)))).status, 401, age)
  }
})

t.test('a thousand forged signatures cause no fetch within the cool-down, and turn no good token away', async t => {
  const server = await startKeyServer(t, [old])
  const app = await build(t, server, { coolDown: '1h' })
  const good = signForeign(old, foreignClaims(idp))
  t.equal((await get(app, good)).status, 200)
  const statuses = new Set<number>()

  for (let round = 0; round < 10; round++) {
    await Promise.all(Array.from({ length: 100 }, async (_, index) => {
      statuses.add((await get(app, signForeign(mallory, foreignClaims(idp, { jti: `${round}-${index}` }), index % 2 === 0 ? undefined : withoutKid))).status)
    }))
    t.equal((await get(app, good)).status, 200)
    t.equal((await get(app, signForeign(old, foreignClaims(idp, { jti: `good ${round}` })))).status, 200, 'a token that was not seen before')
  }

  t.same([...statuses], [503])
  t.equal(server.requests.length, 1)
})

t.test('a forged signature is refused once the keys were read after the time that it claims', async t => {
  const server = await startKeyServer(t, [old])
  const app = await build(t, server, { coolDown: '20ms' })
  t.equal((await get(app, signForeign(old, foreignClaims(idp)))).status, 200)
  for (const header of [undefined, withoutKid]) t.equal((await get(app, signForeign(mallory, issuedAgo(60), header))).status, 401)
})

t.test('claims that no key makes valid cause no fetch', async t => {
  const server = await startKeyServer(t, [old])
  const app = await build(t, server, { coolDown: '20ms' })
  t.equal((await get(app, signForeign(old, foreignClaims(idp)))).status, 200)
  const now = Math.floor(Date.now() / 1000)
  await wait(25)

  for (const changes of [{ exp: now - 10 }, { exp: undefined }, { iat: now + 3600 }, { nonce: 'x' }, { sub: '' }, { iat: now - 7200 }]) {
    for (const kid of ['k1', 'k2']) t.equal((await get(app, signForeign({ ...mallory, kid }, foreignClaims(idp, changes)))).status, 401, JSON.stringify(changes))
  }

  t.equal(server.requests.length, 1)
})

t.test('forged signatures are refused, not put off, while the issuer cannot be reached, unless the key may be newer than its last answer', async t => {
  const server = await startKeyServer(t, [old])
  const app = await build(t, server, { coolDown: '20ms' })
  t.equal((await get(app, signForeign(old, foreignClaims(idp)))).status, 200)
  server.answer = (_request, response) => { response.writeHead(500).end() }
  await wait(25)

  t.equal((await get(app, signForeign(mallory, issuedAgo(60)))).status, 401)
  t.equal((await get(app, signForeign(mallory, foreignClaims(idp)))).status, 503)
  t.equal((await get(app, signForeign(old, foreignClaims(idp, { jti: 'j2' })))).status, 200)
})
