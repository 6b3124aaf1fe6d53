import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import * as errors from '../../lib/errors.ts'
import { origin, password, signIn, signInForTokens, startGateway, type TestGateway } from '../helpers/build-gateway.ts'
import { createOutage } from '../helpers/outage.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { startRawUpstream, startUpstream, type Upstream } from '../helpers/upstream.ts'
import { askRaw, readAnswer, valuesOf, type WireAnswer } from '../helpers/wire.ts'

/*
 * Errors are provoked to learn from them: which library and which file, what lies behind the gateway, what was looked up, what the
 * request of somebody else held. Or to be taken for something else: an error that a parser wrote is not the one that clients were
 * told to understand, one that a cache keeps is served to everybody, and one with another status inside than outside is both.
 */

const marker = 'zebra'
const internals = /zebra|node:|node_modules|\.ts\b|\.js\b|\bat .+:\d+|stack|fastify|undici|ioredis|sqlite|typebox|FST_|ERR_(?!HTTP)(?<!PTC_ERR_)|HPE_|ECONN|127\.0\.0\.1|hunter2|127\.0/i

/** One error as it came off the wire; resolves to its code. */
function judge (t: Test, answer: WireAnswer, what: string): string {
  const [type = ''] = valuesOf(answer, 'content-type')
  t.equal(type, 'application/problem+json; charset=utf-8', what)
  t.same(valuesOf(answer, 'cache-control'), ['no-store'], what)
  t.same(valuesOf(answer, 'set-cookie'), [], what)
  t.same(valuesOf(answer, 'content-length'), [String(Buffer.byteLength(answer.body))], what)
  t.same(valuesOf(answer, 'x-content-type-options'), ['nosniff'], what)
  t.equal(valuesOf(answer, 'www-authenticate').length, answer.status === 401 || answer.body.includes('PTC_ERR_SCOPE_INSUFFICIENT') ? 1 : 0, what)
  if (answer.status === 429 || answer.status === 503) t.match(valuesOf(answer, 'retry-after'), [/^[1-9]\d*$/], what)
  t.notMatch(answer.text, internals, what)

  const problem = JSON.parse(answer.body) as Record<string, unknown>
  const { type: uri, title, status, code, detail, ...rest } = problem
  t.same(rest, {}, what)
  t.equal(status, answer.status, what)
  t.match(code, /^PTC_ERR_[A-Z_]+$/, what)
  t.equal(uri, `urn:portcullis:error:${String(code).toLowerCase().replaceAll('_', '-')}`, what)
  t.ok(typeof title === 'string' && title !== '' && title.length < 80, what)
  t.ok(detail === undefined || (typeof detail === 'string' && detail !== '' && detail.length < 120), what)
  return String(code)
}

interface Walk extends TestGateway {
  port: number
  /** Asks, expects an error, and notes its code. */
  provoke (what: string, line: string, lines?: string[], body?: string): Promise<WireAnswer>
  note (answer: WireAnswer, what: string): void
  codes: Set<string>
}

async function startWalk (t: Test): Promise<Walk & { outage: ReturnType<typeof createOutage>, open: Upstream }> {
  const outage = createOutage()
  const closed = await findClosedPort()
  const silent = await startUpstream(t, () => {})
  const open = await startUpstream(t)
  const odd = await startRawUpstream(t, socket => { socket.end(`HTTP/1.1 200 OK\r\n${marker} : ${marker}\r\n\r\n${marker}`) })
  const dead = `http://127.0.0.1:${closed}`
  const gateway = await startGateway(t, {
    identity: async ({ username, password: given }: { username: string, password: string }) => {
      if (username === 'breaks') throw new Error(`${marker} hunter2`)
      return given === password ? { subject: username, scopes: ['orders:read'] } : null
    },
    limits: { headers: '8KiB', body: '1KiB', headersTimeout: '200ms' },
    revocation: { maxStaleness: '100ms' },
    session: { deviceBound: {} },
    issuers: [{ name: 'idp', issuer: 'https://idp.example.com', jwksUri: `${dead}/jwks`, algorithms: ['ES256'] }],
    upstreams: [
      { prefix: '/orders', target: open.url, audience: 'orders' },
      { prefix: '/admin', target: open.url, audience: 'orders', scopes: ['admin'] },
      { prefix: '/recent', target: open.url, audience: 'orders', stepUp: { maxAge: '1m' } },
      { prefix: '/counted', target: open.url, audience: 'orders', rateLimit: { max: 1, window: '1h' } },
      { prefix: '/dead', target: dead, audience: 'orders' },
      { prefix: '/odd', target: odd.url, audience: 'orders' },
      { prefix: '/silent', target: silent.url, audience: 'orders', timeout: '100ms' }
    ]
  }, outage)
  const { port } = gateway.app.server.address() as AddressInfo
  const codes = new Set<string>()
  const note = (answer: WireAnswer, what: string) => { codes.add(judge(t, answer, what)) }
  return {
    ...gateway,
    outage,
    open,
    port,
    codes,
    note,
    provoke: async (what, line, lines = [], body = '') => {
      const answer = await askRaw(t, port, line, lines, body)
      note(answer, what)
      return answer
    }
  }
}

t.test('every error that there is, is the documented problem on the wire and tells nothing else', async t => {
  const { url, port, advance, outage, open, provoke, note, codes } = await startWalk(t)
  const { cookie } = await signIn(url)
  const tokens = await signInForTokens(url)
  const session = `Cookie: ${cookie}`
  const bearer = `Authorization: Bearer ${tokens.token}`
  const json = 'Content-Type: application/json'
  const login = (members: object) => JSON.stringify({ username: 'ada', password, ...members })
  const nowSeconds = Math.floor(Date.now() / 1000)
  const unsigned = (claims: object) => [{ alg: 'ES256', typ: 'at+jwt', kid: marker }, claims].map(part => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')

  await provoke('nothing', 'GET /orders')
  await provoke('both', 'GET /orders', [session, bearer])
  await provoke('two headers', 'GET /orders', [bearer, `Authorization: Basic ${marker}`])
  await provoke('wrong password', 'POST /auth/login', [json], login({ password: marker }))
  await provoke('bad token', 'GET /orders', [`Authorization: Bearer ${marker}`])
  await provoke('bad cookie', 'GET /orders', [`Cookie: __Host-Http-portcullis=${marker}`])
  await provoke('bad refresh cookie', 'POST /auth/refresh', [`Cookie: __Secure-portcullis-refresh=${marker}`])
  await provoke('too little scope', 'GET /admin', [session])
  await provoke('another site', 'POST /auth/logout', [session, 'Sec-Fetch-Site: cross-site', `Origin: https://${marker}.example`])
  await provoke('no proof of the device', 'POST /auth/device/register', [session, `Secure-Session-Response: ${marker}`])
  for (const body of [`{"${marker}`, `"${marker}"`, '[]', 'null', login({ [marker]: 1 }), login({ mode: marker }), login({ username: 1 }), `{"password":"${marker}","password":"${marker}"}`, `{"__proto__":{"${marker}":1}}`]) await provoke(`body ${body}`, 'POST /auth/login', [json], body)
  await provoke('unknown audience', 'POST /auth/login', [json], login({ audience: [marker] }))
  await provoke('a form', 'POST /auth/login', [`Content-Type: application/x-www-form-urlencoded; x=${marker}`], `password=${marker}`)
  await provoke('no type', 'POST /auth/login', [], marker)
  await provoke('too large', 'POST /auth/login', [json], login({ password: marker.repeat(300) }))
  await provoke('a user directory that fails', 'POST /auth/login', [json], login({ username: 'breaks' }))
  await provoke('cookie twice', 'GET /orders', [`Cookie: __Host-Http-portcullis=${marker}; __Host-Http-portcullis=${marker}`])
  await provoke('nowhere', `GET /${marker}?${marker}`, [session])
  await provoke('nowhere of ours', `GET /auth/${marker}`, [session])
  await provoke('no such session', `DELETE /auth/sessions/${marker}`, [session])
  await provoke('TRACE', 'TRACE /orders', [`X: ${marker}`])
  for (const path of [`/${marker}/../x`, `//${marker}`, `/${marker}%2f`, `/${marker}%zz`, `http://${marker}.example/`, '*']) await provoke(`path ${path}`, `GET ${path}`)
  await provoke('large headers', 'GET /orders', [`X: ${marker.repeat(4000)}`])
  await provoke('a control character', 'GET /orders', [`X: ${marker}\0`])
  await provoke('two lengths', 'POST /orders', ['Content-Length: 1', 'Content-Length: 2'])
  await provoke('dead service', `GET /dead/${marker}`, [session])
  await provoke('odd service', `GET /odd/${marker}`, [session])
  await provoke('silent service', `GET /silent/${marker}`, [session])
  t.equal((await askRaw(t, port, 'GET /orders', [session])).status, 200)
  await provoke('a request that came back', 'GET /orders', [session, `CDN-Loop: ${marker}, ${String(open.requests.at(-1)?.headers['cdn-loop'])}`])
  await provoke('issuer away', 'GET /orders', [`Authorization: Bearer ${unsigned({ iss: 'https://idp.example.com', sub: marker, aud: 'orders', client_id: marker, jti: marker, iat: nowSeconds, exp: nowSeconds + 60 })}.${Buffer.alloc(64).toString('base64url')}`])
  t.equal((await askRaw(t, port, 'GET /counted', [session])).status, 200)
  await provoke('counted', 'GET /counted', [session])
  for (const bytes of [`${marker}\r\n\r\n`, `GET / HTTP/9.9\r\nHost: ${marker}\r\n\r\n`, `GET / HTTP/1.1\r\n${marker}\r\n\r\n`, `GET / HTTP/1.1\r\nConnection: close\r\nX: ${marker}\r\n\r\n`, `GET / HTTP/1.1\r\nConnection: close\r\nHost: a\r\nHost: ${marker}\r\n\r\n`, '\x16\x03\x01\x00\x05zebra\r\n\r\n', `GET /orders HTTP/1.1\r\nHost: ${marker}\r\n`]) {
    note(readAnswer(await sendRaw(t, port, bytes).ended), JSON.stringify(bytes))
  }
  advance(2 * 60_000)
  await provoke('too old', 'GET /recent', [session])
  outage.begin()
  await provoke('store away', 'POST /auth/login', [json], login({}))
  await provoke('store away, refresh', 'POST /auth/refresh', [`Cookie: ${tokens.cookie}`])

  // The first ones are for operators and for authors of plugins (test/sign-in/second-factor.test.ts has the answer that asks for a second factor); a full queue of an upstream needs a thousand requests (proxy-failures.test.ts); the last ones need an identity provider (test/routes/providers.test.ts).
  const elsewhere = ['PTC_ERR_CONFIG_INVALID', 'PTC_ERR_CLAIMS_UNIDENTIFIABLE', 'PTC_ERR_SECOND_FACTOR_REQUIRED', 'PTC_ERR_UPSTREAM_BUSY', 'PTC_ERR_LOGIN_INVALID', 'PTC_ERR_LOGIN_FORBIDDEN', 'PTC_ERR_LOGOUT_TOKEN_INVALID', 'PTC_ERR_PROVIDER_UNAVAILABLE']
  const all = Object.values(errors).map(Class => new Class().code).filter(code => !elsewhere.includes(code))
  t.same([...codes].sort(), all.sort(), 'every code was seen, and no other')
})

t.test('an error to HEAD has the head of the same error and no body', async t => {
  const { port } = await startWalk(t)
  for (const path of ['/orders', '/none', '/auth/session', '/a%2fb']) {
    const [get, head] = [await askRaw(t, port, `GET ${path}`), await askRaw(t, port, `HEAD ${path}`)]
    t.equal(head.body, '', path)
    const named = (answer: WireAnswer) => answer.fields.filter(([name]) => !['date', 'x-request-id'].includes(name))
    t.same([head.status, named(head)], [get.status, named(get)], path)
  }
})

t.test('what a service says of its own errors passes as it is, and what it cannot say is said in ours', async t => {
  const problem = '{"type":"https://service.example/own","title":"Own","status":200,"stack":"zebra"}'
  const service = await startUpstream(t, (request, response) => {
    response.writeHead(Number(request.url!.slice(-3)), { 'content-type': 'application/problem+json', 'retry-after': '77', 'www-authenticate': 'Basic realm="service"', 'content-length': problem.length }).end(problem)
  })
  const { app, url } = await startGateway(t, { upstreams: [{ prefix: '/up', target: service.url, audience: 'up' }] })
  const { port } = app.server.address() as AddressInfo
  const { cookie } = await signIn(url)
  for (const status of [400, 401, 403, 404, 405, 408, 409, 413, 415, 418, 422, 429, 431, 451, 500, 501, 502, 503, 504, 507, 599]) {
    const answer = await askRaw(t, port, `GET /up/${status}`, [`Cookie: ${cookie}`])
    t.same([answer.status, answer.body], [status, problem])
    t.same([valuesOf(answer, 'content-type'), valuesOf(answer, 'retry-after'), valuesOf(answer, 'www-authenticate')], [['application/problem+json'], ['77'], ['Basic realm="service"']], String(status))
  }
})

t.test('which of the reasons it was is not told: a refused sign-in, token, cookie and refresh have one body each', async t => {
  const { url, port, advance, app } = await startWalk(t)
  const json = 'Content-Type: application/json'
  const bodies = async (asked: Array<[line: string, lines: string[], body?: string]>) => {
    const answers = await Promise.all(asked.map(async ([line, lines, body = '']) => await askRaw(t, port, line, lines, body)))
    return new Set(answers.map(({ status, body, fields }) => `${status} ${body} ${fields.map(([name, value]) => ['date', 'x-request-id', 'ratelimit'].includes(name) ? name : `${name}: ${value}`).join(' ')}`)).size
  }
  const [gone, alive] = [await signIn(url), await signIn(url)]
  const [expired, other] = [await signInForTokens(url), await signInForTokens(url, 'bob', ['origin'])]
  await app.portcullis.blocklist.close(gone.sid)
  await app.portcullis.blocklist.revoke({ jti: JSON.parse(Buffer.from(expired.token.split('.')[1]!, 'base64url').toString())['jti'] as string, issuer: origin })

  t.equal(await bodies(['ada', 'nobody', ' ada', 'ADA', 'x'.repeat(200)].map(username => ['POST /auth/login', [json], JSON.stringify({ username, password: 'wrong' })])), 1, 'sign-in')
  t.equal(await bodies([expired.token, other.token, `${other.token}=`, 'a', 'a.b.c', `${other.token.slice(0, -4)}AAAA`].map(token => ['GET /orders', [`Authorization: Bearer ${token}`]])), 1, 'token')
  t.equal(await bodies([gone.cookie, `${alive.cookie.slice(0, -3)}AAA`, `__Host-Http-portcullis=${'A'.repeat(22)}.${'A'.repeat(43)}`, '__Host-Http-portcullis=', '__Host-Http-portcullis=a'].map(cookie => ['GET /orders', [`Cookie: ${cookie}`]])), 1, 'cookie')
  advance(31 * 60_000)
  t.equal(await bodies([expired.cookie, other.cookie, `${other.cookie.slice(0, -3)}AAA`, '__Secure-portcullis-refresh=', '__Secure-portcullis-refresh=a'].map(cookie => ['POST /auth/refresh', [`Cookie: ${cookie}`]])), 1, 'refresh')
})
