import Fastify, { type FastifyInstance } from 'fastify'
import { setTimeout as wait } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { StoreUnavailableError, TokenInvalidError } from '../../lib/errors.ts'
import errors, { createOwnHeadersHook } from '../../plugins/errors.ts'
import { linger } from '../../plugins/server/linger.ts'
import { serverOptions } from '../../plugins/server-options.ts'

async function build (t: Test, add: (app: FastifyInstance) => void, lines: string[] = []): Promise<FastifyInstance> {
  const app = Fastify(serverOptions({ bodyBytes: 100, logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } } }))
  t.teardown(() => app.close())
  await app.register(errors, { origin: 'https://app.example.com', shape: 'all', notFound: true })
  add(app)
  return app
}

t.test('what has no route is a problem with our headers', async t => {
  const app = await build(t, () => {})

  const response = await app.inject('/none')

  t.equal(response.statusCode, 404)
  t.match(response.json(), { type: 'urn:portcullis:error:ptc-err-not-found', title: String, status: 404, code: 'PTC_ERR_NOT_FOUND' })
  t.match(response.headers, {
    'content-type': 'application/problem+json; charset=utf-8',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'content-security-policy': "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    'strict-transport-security': 'max-age=31536000; includeSubDomains'
  })
})

t.test('an http origin has no HSTS', async t => {
  const app = Fastify(serverOptions())
  t.teardown(() => app.close())
  await app.register(errors, { origin: 'http://localhost:8080', notFound: true })

  t.notOk('strict-transport-security' in (await app.inject('/none')).headers)
})

t.test('an unexpected error is a constant answer and one whole line in the log', async t => {
  const lines: string[] = []
  const app = await build(t, app => app.get('/', async () => {
    throw Object.assign(new Error('outer', { cause: new Error('inner') }), { headers: { cookie: 'sesame' }, request: { sesame: 'sesame' } })
  }), lines)

  const response = await app.inject({ url: '/', headers: { cookie: 'a=sesame' } })

  t.equal(response.statusCode, 500)
  t.same(response.json(), { type: 'urn:portcullis:error:ptc-err-internal', title: 'Something went wrong', status: 500, code: 'PTC_ERR_INTERNAL' })
  t.equal(lines.length, 1)
  t.match(JSON.parse(lines[0]!), { reqId: String, error: { message: 'outer', stack: /errors\.test/, cause: { message: 'inner' } } })
  t.notMatch(lines[0], /sesame/)
})

t.test('why a credential was refused is in the log at level debug, and never in the answer', async t => {
  const lines: string[] = []
  const app = await build(t, app => {
    app.log.level = 'debug'
    app.get('/', { logLevel: 'debug' }, async () => { throw new TokenInvalidError({ cause: new Error('of no known issuer') }) })
  }, lines)

  const response = await app.inject({ url: '/', headers: { authorization: 'Bearer secret' } })

  t.equal(response.statusCode, 401)
  t.notMatch(response.body, /issuer/)
  t.equal(lines.length, 1)
  t.match(JSON.parse(lines[0]!), { level: 20, reqId: String, code: 'PTC_ERR_TOKEN_INVALID', reason: 'of no known issuer', msg: 'refused' })
  t.notMatch(lines[0], /secret/)
})

t.test('every hook position fails alike, and only that request', async t => {
  for (const hook of ['onRequest', 'preParsing', 'preValidation', 'preHandler', 'preSerialization'] as const) {
    const app = await build(t, app => {
      app.addHook(hook as 'onRequest', async request => { if (request.url === '/fails') throw new Error('secret') })
      app.get('/fails', async () => ({}))
      app.get('/', async () => 'fine')
    })

    const failed = await app.inject('/fails')
    t.match(failed.json(), { code: 'PTC_ERR_INTERNAL' }, hook)
    t.notMatch(failed.body, /secret/, hook)
    t.equal((await app.inject('/')).statusCode, 200, hook)
  }
})

t.test('bodies are refused without being repeated', async t => {
  const schema = { body: { type: 'object', required: ['name'], properties: { name: { type: 'string', maxLength: 3 } } } }
  const app = await build(t, app => app.post('/', { schema }, async () => 'fine'))
  const json = { 'content-type': 'application/json' }

  for (const [payload, headers, status, code, detail] of [
    ['{"secret', json, 400, 'PTC_ERR_REQUEST_INVALID', 'body is not JSON'],
    ['', json, 400, 'PTC_ERR_REQUEST_INVALID', 'body is empty'],
    ['{}', json, 400, 'PTC_ERR_REQUEST_INVALID', 'body/name is required'],
    ['{"name":"secret"}', json, 400, 'PTC_ERR_REQUEST_INVALID', 'body/name is not valid'],
    ['{"__proto__":{"secret":1}}', json, 400, 'PTC_ERR_REQUEST_INVALID', 'body is not JSON'],
    ['secret', { 'content-type': 'text/xml' }, 415, 'PTC_ERR_MEDIA_TYPE_UNSUPPORTED', undefined],
    ['secret', { 'content-type': 'application/json garbage' }, 415, 'PTC_ERR_MEDIA_TYPE_UNSUPPORTED', undefined],
    [JSON.stringify({ name: 'x'.repeat(200) }), json, 413, 'PTC_ERR_BODY_TOO_LARGE', undefined]
  ] as const) {
    const response = await app.inject({ method: 'POST', url: '/', payload, headers })
    t.equal(response.statusCode, status, payload)
    t.match(response.json(), { code, detail }, payload)
    t.notMatch(response.body, /secret/, payload)
  }
})

t.test('a handler that takes too long is 408', async t => {
  const app = await build(t, app => app.get('/', { handlerTimeout: 20 }, () => new Promise(() => {})))

  t.match((await app.inject('/')).json(), { status: 408, code: 'PTC_ERR_REQUEST_TIMEOUT' })
})

t.test('headers of the error are sent', async t => {
  const app = await build(t, app => app.get('/', async () => { throw Object.assign(new TokenInvalidError(), { headers: { 'www-authenticate': 'Bearer error="invalid_token", scope="a"' } }) }))

  t.match(await app.inject('/'), { statusCode: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token", scope="a"' } })
})

t.test('an outage of the store takes no cookie away and says when to come back', async t => {
  const app = await build(t, app => app.get('/', async (_request, reply) => {
    reply.headers({ 'set-cookie': 'portcullis=; Max-Age=0', etag: 'x', 'content-type': 'text/html' })
    throw new StoreUnavailableError({ cause: new Error('secret') })
  }))

  const response = await app.inject('/')

  t.match(response.json(), { status: 503, code: 'PTC_ERR_STORE_UNAVAILABLE' })
  t.match(response.headers, { 'retry-after': /^[1-5]$/, 'content-type': /problem/ })
  t.notOk('set-cookie' in response.headers)
  t.notOk('etag' in response.headers)
})

t.test('our headers are added where a route has not set its own', async t => {
  const app = await build(t, app => {
    app.addHook('onSend', createOwnHeadersHook('https://app.example.com'))
    app.get('/', async (_request, reply) => reply.header('content-security-policy', "default-src 'self'").send('fine'))
  })

  t.match((await app.inject('/')).headers, { 'content-security-policy': "default-src 'self'", 'x-content-type-options': 'nosniff', 'strict-transport-security': String })
})

t.test('networks of trusted proxies are checked when the server is made', async t => {
  for (const network of ['10.0.0.0/33', '10.0.0.0/8/8', 'loopback', '::1/129', '10.0.0.0/', '1', '10.0.0.0/-1', '10.0.0.0/a']) {
    t.throws(() => serverOptions({ trustProxy: [network] }), { code: 'PTC_ERR_CONFIG_INVALID', message: /trustProxy/ }, network)
  }
  t.doesNotThrow(() => serverOptions({ trustProxy: ['10.0.0.0/8', '::1', 'fd00::/8', '127.0.0.1'] }))
})

t.test('an injected request, which has no connection, is left alone', async t => {
  const app = await build(t, app => {
    app.get('/', async (request, reply) => {
      linger(request.raw, reply.raw, 5)
      return 'ok'
    })
  })

  t.equal((await app.inject('/')).statusCode, 200)
  await wait(30)
})
