import type { FastifyInstance } from 'fastify'
import type { AddressInfo } from 'node:net'
import { writeFile } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import issuers, { type IssuerOptions, type IssuersOptions } from '../../plugins/issuers.ts'
import { buildApp, createServer, createStore, origin, until } from '../helpers/build-app.ts'
import { foreignClaims, foreignKey, publish, signForeign, startKeyServer, type KeyServer } from '../helpers/foreign-issuer.ts'
import { settlesWithin } from '../helpers/patience.ts'

const idp = 'https://idp.example.com'
const [first, second] = [foreignKey('k1'), foreignKey('k2')]
const good = signForeign(first, foreignClaims(idp, { iat: Math.floor(Date.now() / 1000) - 60 }))

async function build (t: Test, { url }: { url: string }, options: Partial<IssuersOptions> = {}, changes: Partial<IssuerOptions> = {}): Promise<FastifyInstance> {
  const { store } = await createStore(t)
  const app = await buildApp(t, store, { blocklist: { maxForeignTokenAge: '1h' } }, async app => {
    await app.register(issuers, { issuers: [{ name: 'idp', issuer: idp, keys: { url: `${url}/jwks` }, algorithms: ['ES256'], scopes: ['orders:read'], ...changes }], ...options })
    app.get('/me', { onRequest: app.portcullis.authenticate({ audience: 'orders' }) }, request => ({ subject: request.identity.subject }))
    app.get('/public', { onRequest: app.portcullis.authenticate({ access: 'public', audience: 'orders' }) }, request => ({ subject: request.identityOrNull?.subject ?? null }))
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  return app
}

interface Answer { status: number, headers: Headers, body: { code?: string, subject?: string | null } }

async function get (app: FastifyInstance, token: string, path = '/me'): Promise<Answer> {
  const { port } = app.server.address() as AddressInfo
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: { authorization: `Bearer ${token}` } })
  return { status: response.status, headers: response.headers, body: await response.json() as Answer['body'] }
}

t.test('the keys of an address are fetched once, however many ask at the same time', async t => {
  const server = await startKeyServer(t, [first])
  const app = await build(t, server)

  const responses = await Promise.all(Array.from({ length: 50 }, async () => await get(app, good)))

  t.ok(responses.every(({ status }) => status === 200))
  t.equal(server.requests.length, 1)
  t.match(server.requests[0], { method: 'GET', url: '/jwks' })
  for (const name of ['cookie', 'authorization']) t.notOk(name in server.requests[0]!.headers, name)
})

t.test('a thousand tokens of made-up keys cause no fetch within the cool-down', async t => {
  const server = await startKeyServer(t, [first])
  const app = await build(t, server, { coolDown: '1h' })
  t.equal((await get(app, good)).status, 200)

  const old = foreignClaims(idp, { iat: Math.floor(Date.now() / 1000) - 60 })
  for (let i = 0; i < 1000; i++) {
    const response = await get(app, signForeign(first, old, { alg: 'ES256', typ: 'at+jwt', kid: `made up ${i}` }))
    if (response.status !== 401) t.fail(`answered ${response.status}`)
  }

  t.equal(server.requests.length, 1)
  t.equal((await get(app, good)).status, 200)
})

t.test('when keys are rotated the new one is found by the first token that names it, and the old one is worth nothing', async t => {
  const server = await startKeyServer(t, [first])
  const app = await build(t, server, { coolDown: '20ms' })
  t.equal((await get(app, good)).status, 200)
  await wait(25)
  server.answer = publish([second])

  t.equal((await get(app, signForeign(second, foreignClaims(idp)))).status, 200)

  t.equal(server.requests.length, 2)
  t.equal((await get(app, good)).status, 401, 'also where it is remembered')
})

t.test('a token of a key that may have been published since the keys were read is not refused: it is asked to come again', async t => {
  const server = await startKeyServer(t, [first])
  const app = await build(t, server)
  t.equal((await get(app, good)).status, 200)
  server.answer = publish([first, second])

  const response = await get(app, signForeign(second, foreignClaims(idp)))

  t.equal(response.status, 503)
  t.match(response.headers.get('retry-after'), /^(?:[1-9]|[12]\d|30)$/)
  t.equal(server.requests.length, 1, 'the cool-down holds')
  t.equal((await get(app, signForeign(second, foreignClaims(idp, { iat: Math.floor(Date.now() / 1000) - 60 })))).status, 401, 'what was issued before the keys were read is of no new key')
})

t.test('a token of an unknown key that says it was issued in the future is refused', async t => {
  const server = await startKeyServer(t, [first])
  const app = await build(t, server)
  t.equal((await get(app, good)).status, 200)
  for (const iat of [Math.floor(Date.now() / 1000) + 3600, 1e306, 1e308]) t.equal((await get(app, signForeign(second, foreignClaims(idp, { iat })))).status, 401, String(iat))
})

t.test('issuers belong to the scope of the access tokens that they are accepted beside', async t => {
  const { store } = await createStore(t)
  const inScope = buildApp(t, store, { blocklist: { maxForeignTokenAge: '1h' } }, async app => {
    await app.register(async scope => { await scope.register(issuers, { issuers: [] }) })
  })
  await t.rejects(inScope, { code: 'PTC_ERR_CONFIG_INVALID', message: /portcullis-access-token/ })
})

t.test('a key that is added to a file is known to the first token that names it', async t => {
  const folder = t.testdir({ 'keys.json': JSON.stringify({ keys: [first.jwk] }) })
  const file = `${folder}/keys.json`
  const app = await build(t, { url: '' }, {}, { keys: { file } })
  t.equal((await get(app, good)).status, 200)
  await writeFile(file, JSON.stringify({ keys: [first.jwk, second.jwk] }))

  t.equal((await get(app, signForeign(second, foreignClaims(idp)))).status, 200)
  t.equal((await get(app, signForeign(foreignKey('k3'), foreignClaims(idp)))).status, 401, 'a key that the file does not have')
})

t.test('a rotation keeps what is remembered of a key that stays', async t => {
  const server = await startKeyServer(t, [first])
  const app = await build(t, server, { coolDown: '20ms' })
  await get(app, good)
  const before = await app.portcullis.accessToken.verify(good)
  await wait(25)
  server.answer = publish([first, second])
  await get(app, signForeign(second, foreignClaims(idp)))

  t.equal(app.portcullis.accessToken.verify(good), before)
})

const answers: Record<string, KeyServer['answer']> = {
  'a failing server': (_request, response) => { response.writeHead(500).end('{}') },
  'a redirecting server': (_request, response) => { response.writeHead(302, { location: '/elsewhere' }).end() },
  'a server that answers something else': (_request, response) => { response.end('<html>') },
  'a server that answers no JWK set': (_request, response) => { response.end('{"keys":{}}') },
  'a server that answers a list': (_request, response) => { response.end(JSON.stringify([first.jwk])) },
  'a server that names a member twice': (_request, response) => { response.end(`{"keys":[],"keys":[${JSON.stringify(first.jwk)}]}`) },
  'a server that answers too much': (_request, response) => { response.end(JSON.stringify({ keys: [first.jwk], more: 'x'.repeat(256 * 1024) })) },
  'a server that says it will answer too much': (_request, response) => { response.writeHead(200, { 'content-length': 10 ** 9 }).write('{') },
  'a server that never stops': (_request, response) => { const timer = setInterval(() => response.write(' '.repeat(64 * 1024)), 1); response.on('close', () => clearInterval(timer)) },
  'a server that hangs up': request => { request.socket.destroy() }
}

for (const [who, answer] of Object.entries(answers)) {
  t.test(`${who} gives no keys: tokens are refused until it does, and nobody is told that they are bad`, async t => {
    const server = await startKeyServer(t, [])
    server.answer = answer
    const startedAt = performance.now()
    const app = await build(t, server, { coolDown: '300ms' })
    const isOnceACoolDown = () => server.requests.length <= 1 + Math.floor((performance.now() - startedAt) / 300)

    const refused = await Promise.all(Array.from({ length: 20 }, async () => await get(app, good)))

    for (const response of refused) {
      t.equal(response.status, 503)
      t.match(response.body, { code: 'PTC_ERR_ISSUER_UNAVAILABLE' })
      t.equal(response.headers.get('retry-after'), '1')
    }
    t.match((await get(app, good, '/public')).body, { subject: null })
    t.ok(server.requests.every(({ url }) => url === '/jwks'))
    t.ok(isOnceACoolDown())
    server.answer = publish([first])
    await until(async () => (await get(app, good)).status === 200)
    t.ok(isOnceACoolDown())
  })
}

t.test('the log says why keys could not be read, and nothing that the server has sent', async t => {
  const server = await startKeyServer(t, [])
  server.answer = request => { request.socket.end('HTTP/1.1 200 OK\r\nno colon in this header line\r\nContent-Length: 10\r\n\r\nSECRETBODY') }
  const app = await build(t, server)
  const logged: string[] = []
  app.log.error = ((fields: object, message: string) => { logged.push(JSON.stringify({ ...fields, message })) }) as never

  t.equal((await get(app, good)).status, 503)
  t.match(logged.join('\n'), /"issuer":"idp","message":"the keys of an issuer could not be read"/)
  t.match(logged.join('\n'), /"error":\{"type":"[A-Za-z]+","message":"[^"]+/)
  t.notMatch(logged.join('\n'), /SECRETBODY|no colon/)
})

t.test('a slow server is given five seconds, and holds up nobody else', async t => {
  const server = await startKeyServer(t, [])
  server.answer = (_request, response) => { response.write('{') }
  const app = await build(t, server)

  const pending = get(app, good)
  const isInTime = settlesWithin(6000, pending)
  const other = get(app, 'a.b.c')
  t.ok(await settlesWithin(1000, other))
  t.equal((await other).status, 401)

  t.ok(await isInTime)
  t.equal((await pending).status, 503)
})

t.test('keys that were read count for an hour and ten minutes without their server, and not longer', async t => {
  const server = await startKeyServer(t, [first])
  const app = await build(t, server, { coolDown: '20ms' }, { maxTokenAge: '1h' })
  t.equal((await get(app, good)).status, 200)
  server.answer = answers['a failing server']!
  await wait(25)
  const unknown = await get(app, signForeign(second, foreignClaims(idp)))
  t.equal(unknown.status, 503, 'the key may be a new one')
  t.equal((await get(app, good)).status, 200)

  const { now } = performance
  t.teardown(() => { performance.now = now })
  performance.now = () => now.call(performance) + 69 * 60_000
  t.equal((await get(app, good, '/public')).body.subject, 'idp|bob')
  performance.now = () => now.call(performance) + 71 * 60_000
  t.equal((await get(app, good, '/public')).body.subject, null)
})

t.test('closing does not wait for an answer that does not come', async t => {
  const server = await startKeyServer(t, [])
  server.answer = () => {}
  const app = await build(t, server)

  t.ok(await settlesWithin(2000, app.close()))
})

t.test('options that could mix up people or keys stop the start', async t => {
  const { store } = await createStore(t)
  const issuer: IssuerOptions = { name: 'idp', issuer: idp, keys: { url: 'http://127.0.0.1:1' }, algorithms: ['ES256'] }
  const refused: Array<[options: object, text: RegExp]> = [
    [{ issuers: [issuer, { ...issuer, name: 'other' }] }, /every issuer must be another one/],
    [{ issuers: [issuer, { ...issuer, issuer: 'https://other.example.com' }] }, /every name must be another one/],
    [{ issuers: [{ ...issuer, issuer: origin }] }, /none the issuer of portcullis-access-token/],
    [{ issuers: [{ ...issuer, name: 'a|b' }] }, /issuers\.0\.name must be/],
    [{ issuers: [{ ...issuer, algorithms: ['HS256'] }] }, /issuers\.0\.algorithms\.0 must be an asymmetric algorithm/],
    [{ issuers: [{ ...issuer, keys: {} }] }, /issuers\.0\.keys must be/],
    [{ issuers: [{ ...issuer, maxTokenAge: '2h' }] }, /maxForeignTokenAge of portcullis-blocklist/],
    [{ issuers: [{ ...issuer, keys: { file: 'missing.json' } }] }, /the jwks file of idp cannot be used: ENOENT/],
    [{ issuers: [{ ...issuer, keys: { file: t.testdir({ 'k.json': JSON.stringify({ keys: [{ ...first.jwk, use: 'enc' }] }) }) + '/k.json' } }] }, /has no key that can be used \(keys\[0\]: is not for verifying signatures\)/],
    [{ issuers: [issuer], zebra: 1 }, /zebra is not an option/]
  ]
  for (const [options, text] of refused) {
    await t.rejects(buildApp(t, store, { blocklist: { maxForeignTokenAge: '1h' } }, async app => { await app.register(issuers, options as IssuersOptions) }), { code: 'PTC_ERR_CONFIG_INVALID', message: text })
  }
})

t.test('it does not start without what issues our own tokens', async t => {
  await t.rejects(async () => await createServer(t).register(issuers, { issuers: [] }), { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' })
})
