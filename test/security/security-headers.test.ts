import { connect } from 'node:net'
import t, { type Test } from 'tap'
import { startAdministered } from '../helpers/admin.ts'
import { password, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { createOutage } from '../helpers/outage.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { startUpstream } from '../helpers/upstream.ts'

/*
 * Whatever answer has no security headers is the one that an attacker looks for: an error page that can be framed or sniffed as a
 * script, a first visit over http, a session that a cache or the back button shows to the next user of the machine. Servers lose
 * these headers where the framework is not reached: what the HTTP parser refuses, time limits, unknown methods, outages.
 *
 * So every status that the gateway makes is made here, as bytes on a socket, and each answer is looked at whole.
 */

const json = 'Content-Type: application/json\r\n'
const login = (body: string, head = json) => request('POST /auth/login', `${head}Content-Length: ${Buffer.byteLength(body)}\r\n`, body)
const credentials = (username: string) => JSON.stringify({ username, password })

function request (line: string, head = '', body = ''): string {
  return `${line} HTTP/1.1\r\nHost: app.example.com\r\nConnection: close\r\n${head}\r\n${body}`
}

interface Answer { status: number, headers: Map<string, string[]>, text: string }

function parse (text: string): Answer {
  const [line = '', ...fields] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n')
  const headers = new Map<string, string[]>()
  for (const field of fields) {
    const name = field.slice(0, field.indexOf(':')).toLowerCase()
    headers.set(name, [...headers.get(name) ?? [], field.slice(field.indexOf(':') + 1).trim()])
  }
  return { status: Number(line.split(' ')[1]), headers, text }
}

function assertHardened (t: Test, { headers, status }: Answer, expected: number, what: string, isPublic = false): void {
  const [hsts, csp] = [headers.get('strict-transport-security') ?? [], headers.get('content-security-policy') ?? []]
  t.equal(status, expected, what)
  t.ok(hsts.length === 1 && /^max-age=(\d+); includeSubDomains$/.test(hsts[0]!) && Number(/\d+/.exec(hsts[0]!)) >= 31_536_000, `${what}: HSTS for a year, with sub-domains: ${String(hsts)}`)
  t.equal(csp.length, 1, what)
  for (const directive of ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'none'"]) t.ok(csp[0]?.split('; ').includes(directive), `${what}: ${directive}`)
  t.same(headers.get('x-content-type-options'), ['nosniff'], what)
  t.same(headers.get('referrer-policy'), ['no-referrer'], what)
  t.same(headers.get('cross-origin-resource-policy'), ['same-origin'], what)
  if (!isPublic) t.same(headers.get('cache-control'), ['no-store'], what)
  for (const name of ['server', 'x-powered-by', 'access-control-allow-credentials']) t.notOk(headers.has(name), `${what}: ${name}`)
}

async function start (t: Test) {
  const [silent, ordinary] = [await startUpstream(t, () => {}), await startUpstream(t)]
  const outage = createOutage()
  const identity = async ({ username }: { username: string }) => {
    if (username === 'broken') throw new Error('the directory is broken')
    return username === 'nobody' ? null : { subject: username, scopes: [] }
  }
  const gateway = await startAdministered(t, {
    identity,
    limits: { body: '1KiB', headers: '4KiB', headersTimeout: '1s' },
    cors: { origins: ['https://spa.example.com'] },
    upstreams: [
      { prefix: '/closed', target: ordinary.url, audience: 'closed', scopes: ['closed:read'], websocket: true },
      { prefix: '/limited', target: ordinary.url, access: 'public', rateLimit: { max: 1, window: '1h' } },
      { prefix: '/dead', target: `http://127.0.0.1:${await findClosedPort()}`, access: 'public' },
      { prefix: '/silent', target: silent.url, access: 'public', timeout: '100ms' }
    ]
  }, { wrapStore: outage.wrapStore })
  const port = Number(new URL(gateway.url).port)
  return { ...gateway, outage, send: async (bytes: string) => parse(await sendRaw(t, port, bytes).ended) }
}

t.test('every refusal carries the security headers and is kept by nobody', async t => {
  const { send, url } = await start(t)
  const { cookie } = await signIn(url)
  const { token } = await signInForTokens(url)
  const websocket = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'
  const refusals: Array<[status: number, what: string, bytes: string]> = [
    [400, 'no HTTP', 'zebra\r\n\r\n'],
    [400, 'a header without a colon', 'GET / HTTP/1.1\r\nHost\r\n\r\n'],
    [400, 'two lengths', 'POST /auth/login HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n'],
    [400, 'a coding that is not chunked', request('POST /auth/login', 'Transfer-Encoding: gzip\r\n')],
    [400, 'no Host', 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'],
    [400, 'a path with two readings', request('GET /auth/..%2fclosed')],
    [400, 'a body that is no JSON', login('{')],
    [400, 'a body with a member too many', login('{"username":"ada","password":"x","admin":true}')],
    [400, 'an unknown audience', login('{"username":"ada","password":"x","audience":["zebra"]}')],
    [400, 'a cookie twice', request('GET /auth/session', `Cookie: ${cookie}; ${cookie}\r\n`)],
    [400, 'two credentials', request('GET /closed', `Cookie: ${cookie}\r\nAuthorization: Bearer ${token}\r\n`)],
    [401, 'nothing presented', request('GET /closed')],
    [401, 'a bad session cookie', request('GET /auth/session', 'Cookie: __Host-Http-portcullis=x\r\n')],
    [401, 'a bad token', request('GET /closed', 'Authorization: Bearer x\r\n')],
    [401, 'a refused sign-in', login(credentials('nobody'))],
    [401, 'a refused refresh', request('POST /auth/refresh', 'Content-Length: 0\r\n')],
    [401, 'a WebSocket of nobody', request('GET /closed', websocket).replace('Connection: close\r\n', '')],
    [403, 'a scope that is missing', request('GET /closed', `Cookie: ${cookie}\r\n`)],
    [403, 'another site', login(credentials('ada'), `${json}Sec-Fetch-Site: cross-site\r\n`)],
    [403, 'a preflight of another site', request('OPTIONS /closed', 'Origin: https://evil.example\r\nAccess-Control-Request-Method: GET\r\n')],
    [403, 'a WebSocket of another site', request('GET /closed', `${websocket}Origin: https://evil.example\r\nCookie: ${cookie}\r\n`).replace('Connection: close\r\n', '')],
    [404, 'no route', request('GET /nowhere')],
    [404, 'a method that one of ours does not have', request('GET /auth/login')],
    [404, 'a session of somebody else', request('DELETE /auth/sessions/AAAAAAAAAAAAAAAAAAAAAA', `Cookie: ${cookie}\r\n`)],
    [405, 'TRACE', request('TRACE /closed')],
    [408, 'half a head', 'GET / HTTP/1.1\r\nHost: a\r\n'],
    [413, 'a large body', login(JSON.stringify({ username: 'x'.repeat(2000), password }))],
    [415, 'a form', login('username=ada', 'Content-Type: application/x-www-form-urlencoded\r\n')],
    [431, 'a large head', request('GET /', `X: ${'x'.repeat(5000)}\r\n`)],
    [500, 'an error nobody expected', login(credentials('broken'))],
    [502, 'an upstream that is not there', request('GET /dead')],
    [504, 'an upstream that is silent', request('GET /silent')]
  ]

  for (const [status, what, bytes] of refusals) {
    const answer = await send(bytes)
    assertHardened(t, answer, status, what)
    t.same(answer.headers.get('set-cookie') ?? [], [], `${what}: no cookie`)
    t.same(answer.headers.get('content-type'), ['application/problem+json; charset=utf-8'], what)
  }
  await send(request('GET /limited'))
  assertHardened(t, await send(request('GET /limited')), 429, 'a budget that is used up')
})

t.test('an outage of the store, and a server on its way out, answer with them too', async t => {
  const { send, outage, app, url } = await start(t)
  const { cookie } = await signIn(url)
  outage.begin()
  for (const bytes of [login(credentials('ada')), request('POST /auth/logout', `Cookie: ${cookie}\r\nContent-Length: 0\r\n`)]) {
    assertHardened(t, await send(bytes), 503, bytes.split('\r\n')[0]!)
  }
  outage.end()

  const last = connect(Number(new URL(url).port), '127.0.0.1').setEncoding('latin1')
  let text = ''
  last.on('data', chunk => { text += String(chunk) })
  last.write(request('GET /silent'))
  await new Promise<void>(resolve => { app.server.once('request', () => { resolve() }) })
  const closing = app.close()
  await new Promise(resolve => { last.once('close', resolve) })
  await closing
  assertHardened(t, parse(text), 504, 'while it drains')
})

t.test('every answer that tells of a session or gives a credential carries them, and is kept by nobody', async t => {
  const { send, url } = await start(t)
  const [{ cookie }, { cookie: refresh, token }] = [await signIn(url), await signInForTokens(url)]
  const empty = 'Content-Length: 0\r\n'
  const stepUp = JSON.stringify({ password })
  for (const [status, what, bytes] of [
    [200, 'sign-in', login(credentials('ada'))],
    [200, 'sign-in for tokens', login(JSON.stringify({ username: 'ada', password, mode: 'tokens' }))],
    [200, 'refresh', request('POST /auth/refresh', `Cookie: ${refresh}\r\n${empty}`)],
    [200, 'who am I', request('GET /auth/session', `Cookie: ${cookie}\r\n`)],
    [200, 'the same for scripts of an allowed origin', request('GET /auth/session', `Authorization: Bearer ${token}\r\nOrigin: https://spa.example.com\r\n`)],
    [200, 'sessions', request('GET /auth/sessions', `Cookie: ${cookie}\r\n`)],
    [200, 'step-up', request('POST /auth/step-up', `Cookie: ${refresh}\r\n${json}Content-Length: ${stepUp.length}\r\n`, stepUp)],
    [204, 'sign-out', request('POST /auth/logout', `Cookie: ${cookie}\r\n${empty}`)],
    [204, 'sign-out of nobody', request('POST /auth/logout', empty)]
  ] as const) {
    const answer = await send(bytes)
    assertHardened(t, answer, status, what)
    if (what.startsWith('sign-out')) t.same(answer.headers.get('clear-site-data'), ['"cache", "storage"'], what)
  }
  for (const [what, bytes] of [
    ['the key set', request('GET /.well-known/jwks.json')],
    ['a preflight', request('OPTIONS /closed', 'Origin: https://spa.example.com\r\nAccess-Control-Request-Method: POST\r\n')]
  ] as const) assertHardened(t, await send(bytes), what === 'a preflight' ? 204 : 200, what, true)
})

t.test('the listener of the operators carries them, whatever it answers', async t => {
  const { admin } = await start(t)
  for (const path of ['/admin/sessions?subject=ada', '/nowhere']) {
    const { headers } = await fetch(`${admin}${path}`)
    t.equal(headers.get('x-content-type-options'), 'nosniff', path)
    t.equal(headers.get('cache-control'), 'no-store', path)
    t.match(headers.get('content-security-policy'), /frame-ancestors 'none'/, path)
  }
})
