import { request as send } from 'node:http'
import t, { type Test } from 'tap'
import type { ConfigInput } from '../../config/schema.ts'
import cors from '../../plugins/cors.ts'
import errors from '../../plugins/errors.ts'
import { createServer } from '../helpers/build-app.ts'
import { origin, post, setCookies, signIn, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { startUpstream } from '../helpers/upstream.ts'

const spa = 'https://spa.example.com'

async function start (t: Test, more: Partial<ConfigInput> = {}): Promise<TestGateway> {
  return await startGateway(t, { cors: { origins: [spa, 'http://localhost:5173'] }, ...more })
}

interface Answer { status: number, headers: Record<string, string | string[] | undefined>, rawHeaders: string[], body: string }

/** As a browser would send it; fetch() will not send these headers. */
async function ask (url: string, headers: Record<string, string>, method = 'GET', body?: string): Promise<Answer> {
  return await new Promise((resolve, reject) => {
    const request = send(url, { method, headers, agent: false }, response => {
      let text = ''
      response.on('data', chunk => { text += String(chunk) })
      response.on('end', () => { resolve({ status: response.statusCode!, headers: response.headers, rawHeaders: response.rawHeaders, body: text }) })
    })
    request.on('error', reject)
    request.end(body)
  })
}

const preflight = async (url: string, from: string, asked: Record<string, string> = {}) =>
  await ask(url, { origin: from, 'access-control-request-method': 'GET', 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'cross-site', ...asked }, 'OPTIONS')

/** The names of all CORS headers, as often as they came. */
function corsNames ({ rawHeaders }: Answer): string[] {
  return rawHeaders.filter((name, index) => index % 2 === 0 && /^access-control-/i.test(name)).map(name => name.toLowerCase()).sort()
}

t.test('a preflight of an allowed origin is answered here, before authentication', async t => {
  const { url, orders } = await start(t)

  for (const path of ['/orders/1', '/auth/session', '/auth/login', '/nowhere']) {
    for (const from of [spa, 'http://localhost:5173']) {
      const answer = await preflight(url + path, from, { 'access-control-request-method': 'PUT', 'access-control-request-headers': 'authorization,X-Trace' })

      t.equal(answer.status, 204, path)
      t.equal(answer.body, '')
      t.match(answer.headers, {
        'access-control-allow-origin': from,
        'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
        'access-control-allow-headers': 'authorization, content-type, x-trace',
        'access-control-max-age': '600',
        vary: 'Origin',
        'x-content-type-options': 'nosniff'
      })
      t.notOk('access-control-allow-credentials' in answer.headers)
    }
  }
  t.equal(orders.requests.length, 0)
})

t.test('a preflight may ask for every method that is forwarded, and for nothing that is no header name', async t => {
  const { url } = await start(t)

  t.match((await preflight(`${url}/orders`, spa, { 'access-control-request-method': 'PROPFIND' })).headers['access-control-allow-methods'], /DELETE, PROPFIND$/)
  for (const method of ['TRACE', 'CONNECT', 'zebra', 'GET, TRACE']) {
    t.equal((await preflight(`${url}/orders`, spa, { 'access-control-request-method': method })).headers['access-control-allow-methods'], 'GET, HEAD, POST, PUT, PATCH, DELETE', method)
  }
  for (const headers of ['*/*', 'a b', 'x-a,,x-b', '']) {
    t.equal((await preflight(`${url}/orders`, spa, { 'access-control-request-headers': headers })).headers['access-control-allow-headers'], 'authorization, content-type', headers)
  }
})

t.test('a preflight of any other origin is refused without CORS headers', async t => {
  const { url, orders } = await start(t)

  for (const from of [
    'null', 'https://evil.example', `${spa}.evil.example`, 'https://evilspa.example.com', 'http://spa.example.com', `${spa}:8443`, `${spa}:443`, 'https://SPA.example.com',
    `${spa}/`, 'https://example.com', 'https://a.spa.example.com', 'http://localhost', 'http://localhost:51730', 'http://127.0.0.1:5173', `${spa}, https://evil.example`, '*', ''
  ]) {
    const answer = await preflight(`${url}/orders`, from)

    t.equal(answer.status, 403, from)
    t.match(JSON.parse(answer.body), { code: 'PTC_ERR_CSRF_REFUSED' })
    t.same(corsNames(answer), [], from)
    t.equal(answer.headers['vary'], 'Origin')
  }
  t.equal(orders.requests.length, 0)
})

t.test('an OPTIONS request that is no preflight, or of our own origin, goes on as any other', async t => {
  const { url } = await start(t)

  const answers = [
    await ask(`${url}/orders`, { origin: spa }, 'OPTIONS'),
    await ask(`${url}/orders`, { 'access-control-request-method': 'GET' }, 'OPTIONS'),
    await preflight(`${url}/orders`, origin)
  ]

  t.same(answers.map(({ status }) => status), [401, 401, 401])
})

t.test('an allowed origin reads what its bearer token is answered: by services, by us, and errors', async t => {
  const { url } = await start(t)
  const { token } = await signInForTokens(url)
  const authorization = `Bearer ${token}`

  for (const [path, headers, status] of [
    ['/orders/1', { authorization }, 200],
    ['/auth/session', { authorization }, 200],
    ['/auth/sessions', { authorization }, 200],
    ['/.well-known/jwks.json', {}, 200],
    ['/orders/1', {}, 401],
    ['/orders/1', { authorization: 'Bearer nonsense' }, 401],
    ['/auth/session', {}, 401],
    ['/nowhere', {}, 404]
  ] as const) {
    const answer = await ask(url + path, { origin: spa, 'sec-fetch-site': 'cross-site', ...headers })

    t.equal(answer.status, status, path)
    t.same(corsNames(answer), ['access-control-allow-origin', 'access-control-expose-headers'], path)
    t.match(answer.headers, { 'access-control-allow-origin': spa, 'access-control-expose-headers': 'WWW-Authenticate, Retry-After, X-Request-Id', vary: 'Origin' }, path)
    if (status === 401) t.match(answer.headers, { 'www-authenticate': /^Bearer/, 'x-request-id': /^[\w-]{36}$/ })
  }
})

t.test('an answer to any other origin, or to none, has no CORS headers, and says that it depends on the origin', async t => {
  const { url } = await start(t)
  const { token } = await signInForTokens(url)

  for (const headers of [{}, { origin }, { origin: 'null' }, { origin: 'https://evil.example' }, { origin: `${spa}:443` }]) {
    for (const [path, status] of [['/orders/1', 200], ['/auth/session', 200], ['/nowhere', 404]] as const) {
      const answer = await ask(url + path, { authorization: `Bearer ${token}`, ...headers })

      t.equal(answer.status, status)
      t.same(corsNames(answer), [], JSON.stringify(headers))
      t.equal(answer.headers['vary'], 'Origin')
    }
  }
})

t.test('ours stand in place of a service\'s own CORS headers, but what it exposes stays exposed', async t => {
  const theirs = { 'Access-Control-Allow-Origin': '*', 'access-control-allow-credentials': 'true', 'Access-Control-Expose-Headers': 'X-Total', 'Access-Control-Max-Age': '9', Vary: 'Accept', 'X-Total': '3' }
  const upstream = await startUpstream(t, (_request, response) => { response.writeHead(200, theirs).end() })
  const upstreams = [{ prefix: '/open', target: upstream.url, access: 'public' as const }]
  const [ours, without] = [await start(t, { upstreams }), await startGateway(t, { upstreams })]

  const allowed = await ask(`${ours.url}/open`, { origin: spa })
  const denied = await ask(`${ours.url}/open`, { origin: 'https://evil.example' })
  const passed = await ask(`${without.url}/open`, { origin: 'https://evil.example' })

  t.same(corsNames(allowed), ['access-control-allow-origin', 'access-control-expose-headers', 'access-control-expose-headers'])
  t.match(allowed.headers, { 'access-control-allow-origin': spa, 'access-control-expose-headers': 'X-Total, WWW-Authenticate, Retry-After, X-Request-Id', vary: 'Accept, Origin', 'x-total': '3' })
  t.same(corsNames(denied), [])
  t.same(corsNames(passed), ['access-control-allow-credentials', 'access-control-allow-origin', 'access-control-expose-headers', 'access-control-max-age'])
})

t.test('an allowed origin gets nothing by cookies: state changes are refused, answers are not for scripts', async t => {
  const { url, orders } = await start(t)
  const { cookie } = await signIn(url)

  const change = await ask(`${url}/orders`, { origin: spa, cookie }, 'POST')
  const read = await ask(`${url}/orders`, { origin: spa, cookie })
  const login = await ask(`${url}/auth/login`, { origin: spa, 'sec-fetch-site': 'cross-site', 'content-type': 'application/json' }, 'POST', JSON.stringify({ username: 'ada', password: 'correct horse' }))

  t.same([change.status, login.status], [403, 403])
  t.match(JSON.parse(change.body), { code: 'PTC_ERR_CSRF_REFUSED' })
  t.equal(login.headers['set-cookie'], undefined)
  t.equal(read.status, 200)
  for (const answer of [change, read, login]) t.notOk('access-control-allow-credentials' in answer.headers)
  t.same(orders.requests.map(({ method }) => method), ['GET'])
})

t.test('an allowed origin may change things at services with a bearer token', async t => {
  const { url, orders } = await start(t)
  const { token } = await signInForTokens(url)

  const answer = await ask(`${url}/orders`, { origin: spa, 'sec-fetch-site': 'cross-site', authorization: `Bearer ${token}`, 'content-type': 'application/json' }, 'POST', '{}')

  t.equal(answer.status, 200)
  t.match(orders.requests[0], { method: 'POST', body: '{}', headers: { origin: spa } })
})

t.test('without other origins nothing is said of them', async t => {
  const { url } = await startGateway(t)

  const answer = await preflight(`${url}/orders`, spa)
  const signedIn = await post(`${url}/auth/login`, { username: 'ada', password: 'correct horse' })

  t.equal(answer.status, 401)
  t.same(corsNames(answer), [])
  t.notOk('vary' in answer.headers)
  t.equal(signedIn.headers.get('vary'), null)
  t.ok(setCookies(signedIn)['__Host-Http-portcullis'])
})

t.test('origins that could mean more than one are refused at registration', async t => {
  for (const wrong of ['*', 'null', 'https://*.example.com', `${spa}/app`, 'spa.example.com']) {
    const app = createServer(t)
    await app.register(errors)
    await t.rejects(async () => { await app.register(cors, { origin, origins: [wrong] }) }, { code: 'PTC_ERR_CONFIG_INVALID' }, wrong)
  }
})

t.test('the error handler is a dependency', async t => {
  await t.rejects(async () => { await createServer(t).register(cors, { origin, origins: [] }) }, { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' })
})
