import { join } from 'node:path'
import type { AddressInfo } from 'node:net'
import t, { type Test } from 'tap'
import { checkConfig } from '../config/load.ts'
import { composeGateway } from '../gateway/gateway.ts'
import { until } from './helpers/build-app.ts'
import { generousLimits, origin, post, signIn, signInForTokens } from './helpers/build-gateway.ts'
import { findClosedPort } from './helpers/closed-port.ts'
import { writeUsers } from './helpers/portcullis.ts'
import { sendRaw } from './helpers/proxy.ts'
import { startUpstream } from './helpers/upstream.ts'

type Line = Record<string, unknown> & { msg?: string }

/** A gateway, and what it has logged. */
async function start (t: Test, level: 'debug' | 'info' = 'debug') {
  const users = join(t.testdir({}), 'users.json')
  await writeUsers(users, ['ada'])
  const up = await startUpstream(t)
  const lines: string[] = []
  const app = await composeGateway(checkConfig({
    origin,
    listen: { host: '127.0.0.1', port: 0 },
    store: { type: 'sqlite', path: ':memory:' },
    identity: { type: 'users', file: users },
    log: { level, access: true },
    rateLimit: { ...generousLimits, signIn: { max: 20, window: '1m' } },
    upstreams: [
      { prefix: '/up', target: up.url, audience: 'up', scopes: ['orders:read'] },
      { prefix: '/write', target: up.url, audience: 'up', scopes: ['orders:write'] },
      { prefix: '/token', target: up.url, audience: 'up', access: 'token' },
      { prefix: '/session', target: up.url, audience: 'up', access: 'session' },
      { prefix: '/gone', target: `http://127.0.0.1:${await findClosedPort()}`, access: 'public' }
    ]
  }, { directory: '.', env: {} }), { logTo: { write: line => { lines.push(line) } } })
  t.teardown(() => app.close())
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  const logged = (): Line[] => lines.map(line => JSON.parse(line) as Line)
  /** The lines of one request, once its access line is there. */
  const linesOf = async (id: string | null): Promise<Line[]> => {
    await until(() => logged().some(line => line['reqId'] === id && line.msg === 'request'))
    return logged().filter(line => line['reqId'] === id)
  }
  return { url: `http://127.0.0.1:${port}`, port, lines, logged, linesOf, up }
}

/*
 * An operator who is asked why a request was refused finds one line with its id, the code and the reason, also for what is refused
 * before a route is chosen; and nothing of what the client sent.
 */
t.test('every refusal is one line at level debug with its code and its reason', async t => {
  const { url, linesOf } = await start(t)
  const { cookie } = await signIn(url)
  const { token } = await signInForTokens(url)
  const bearer = { authorization: `Bearer ${token}` }
  const refusals: Array<[path: string, headers: Record<string, string>, code: string, reason: string]> = [
    ['/up/zebra', {}, 'PTC_ERR_CREDENTIALS_MISSING', 'neither a session cookie nor an access token'],
    ['/token/zebra', { cookie }, 'PTC_ERR_CREDENTIALS_MISSING', 'no access token; session cookies do not count here'],
    ['/session/zebra', bearer, 'PTC_ERR_CREDENTIALS_MISSING', 'no session cookie; access tokens do not count here'],
    ['/write/zebra', { cookie }, 'PTC_ERR_SCOPE_INSUFFICIENT', 'the scope orders:write is missing'],
    ['/write/zebra', bearer, 'PTC_ERR_SCOPE_INSUFFICIENT', 'the scope orders:write is missing'],
    ['/up/zebra', { cookie, ...bearer }, 'PTC_ERR_CREDENTIALS_AMBIGUOUS', 'a session cookie and an access token'],
    ['/up/zebra', { cookie: `${cookie}; ${cookie}` }, 'PTC_ERR_COOKIE_DUPLICATE', 'the cookie __Host-Http-portcullis was sent more than once'],
    ['/up/zebra', { cookie: cookie.slice(0, -4) + 'AAAA' }, 'PTC_ERR_SESSION_INVALID', 'no such session, or another secret than its own'],
    ['/up/zebra', { authorization: 'Bearer zebra' }, 'PTC_ERR_TOKEN_INVALID', ''],
    ['/UP/zebra', {}, 'PTC_ERR_NOT_FOUND', 'There is nothing here'],
    ['/up/zebra%2fzebra', {}, 'PTC_ERR_PATH_REFUSED', 'an encoded slash (%2F)'],
    ['/up;zebra', {}, 'PTC_ERR_PATH_REFUSED', 'a semicolon'],
    ['/up//zebra', {}, 'PTC_ERR_PATH_REFUSED', 'an empty segment (//)']
  ]

  for (const [path, headers, code, reason] of refusals) {
    const answer = await fetch(`${url}${path}`, { headers })
    const lines = (await linesOf(answer.headers.get('x-request-id'))).filter(({ msg }) => msg === 'refused')
    t.match(lines, [{ level: 20, code, reason: reason === '' ? /^\S/ : reason }], `${path} ${code}`)
    t.equal(lines.length, 1, path)
    t.notMatch(JSON.stringify(lines), /zebra/, path)
  }
})

t.test('what other sites cause, a used-up budget and a wrong password have their lines too', async t => {
  const { url, linesOf } = await start(t)
  const { cookie } = await signIn(url)
  const reasonsOf = async (answer: Response) => (await linesOf(answer.headers.get('x-request-id'))).filter(({ msg }) => msg === 'refused').map(({ code, reason }) => `${code as string}: ${reason as string}`)

  t.same(await reasonsOf(await post(`${url}/up`, {}, { cookie, 'sec-fetch-site': 'cross-site' })), ['PTC_ERR_CSRF_REFUSED: Sec-Fetch-Site says another site'])
  t.same(await reasonsOf(await post(`${url}/auth/logout`, undefined, { cookie, origin: 'https://evil.example' })), ['PTC_ERR_CSRF_REFUSED: Origin is another one'])
  let answer = await post(`${url}/auth/login`, { username: 'ada', password: 'zebra' })
  t.same(await reasonsOf(answer), ['PTC_ERR_LOGIN_REFUSED: The user name or the password is wrong'])
  for (let i = 0; i < 20; i++) answer = await post(`${url}/auth/login`, { username: 'ada', password: 'zebra' })
  t.same(await reasonsOf(answer), ['PTC_ERR_RATE_LIMITED: the budget signIn is used up'])
})

t.test('a navigation that is sent to the sign-in page has the reason why', async t => {
  const users = join(t.testdir({}), 'users.json')
  await writeUsers(users, ['ada'])
  const up = await startUpstream(t)
  const lines: string[] = []
  const app = await composeGateway(checkConfig({ origin, store: { type: 'sqlite', path: ':memory:' }, identity: { type: 'users', file: users }, pages: true, log: { level: 'debug' }, upstreams: [{ prefix: '/up', target: up.url, audience: 'up' }] }, { directory: '.', env: {} }), { logTo: { write: line => { lines.push(line) } } })
  t.teardown(() => app.close())

  const answer = await app.inject({ url: '/up', headers: { 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', accept: 'text/html' } })

  t.equal(answer.statusCode, 303)
  t.match(lines.map(line => JSON.parse(line) as Line).filter(({ msg }) => msg === 'refused'), [{ code: 'PTC_ERR_CREDENTIALS_MISSING', reason: 'neither a session cookie nor an access token' }])
})

t.test('what the HTTP parser refuses has a line', async t => {
  const { port, logged } = await start(t)

  await sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nno header\r\n\r\n').ended

  t.match(logged().filter(({ msg }) => msg === 'refused'), [{ code: 'PTC_ERR_REQUEST_INVALID', reason: /^the HTTP parser refused it: HPE_/, ip: '127.0.0.1' }])
})

t.test('an access line says for whom, by which upstream, with which code, and how many bytes', async t => {
  const { url, linesOf } = await start(t, 'info')
  const { cookie, sid } = await signIn(url)
  const lineOf = async (path: string, headers: Record<string, string> = {}) => (await linesOf((await fetch(`${url}${path}`, { headers })).headers.get('x-request-id'))).find(({ msg }) => msg === 'request')!

  const refused = await lineOf('/write/1', { cookie })
  t.match(refused, { status: 403, subject: 'ada', sid, upstream: '/write', code: 'PTC_ERR_SCOPE_INSUFFICIENT', ms: Number, bytes: Number })
  t.match(await lineOf('/gone/1'), { status: 502, upstream: '/gone', code: 'PTC_ERR_UPSTREAM_UNREACHABLE' })
  t.match(await lineOf('/up;x'), { status: 400, code: 'PTC_ERR_PATH_REFUSED', bytes: Number })
})

t.test('the access line of a served request has no code, and counts the bytes of its own answer on a connection that is used again', async t => {
  const { url, port, logged, up } = await start(t, 'info')
  const { cookie, sid } = await signIn(url)
  const requests = () => logged().filter(({ msg, path }) => msg === 'request' && path === '/up/1')
  const ask = (last: boolean) => `GET /up/1 HTTP/1.1\r\nHost: a\r\nCookie: ${cookie}\r\n${last ? 'Connection: close\r\n' : ''}\r\n`

  const client = sendRaw(t, port, ask(false))
  await until(() => requests().length === 1)
  client.socket.write(ask(true))
  await client.ended
  await until(() => requests().length === 2)

  t.equal(up.requests.length, 2)
  const [first, second] = requests()
  for (const line of [first!, second!]) t.match(line, { status: 200, subject: 'ada', sid, upstream: '/up' })
  t.notOk('code' in first!)
  t.ok(Math.abs(Number(first!['bytes']) - Number(second!['bytes'])) < 60, 'but for Connection, they are one answer')
})

t.test('a failure of an upstream is logged with its prefix and the path, without the query', async t => {
  const { url, logged } = await start(t, 'info')

  await fetch(`${url}/gone/a?token=zebra`)

  t.match(logged().filter(({ msg }) => msg === 'the upstream failed'), [{ level: 40, upstream: '/gone', path: '/gone/a' }])
  t.notMatch(JSON.stringify(logged()), /zebra/)
})
