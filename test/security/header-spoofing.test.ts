import t, { type Test } from 'tap'
import { origin, signIn, signInForTokens, startGateway } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { startUpstream, type RecordedRequest } from '../helpers/upstream.ts'

/*
 * The attack: a client writes the headers by which a service is told who it is, from where it comes and what was checked. In the
 * plain spelling, in another case, with `_`, `.` or another character for `-` (servers of the CGI kind read all of them as one), twice, or by making the gateway
 * take its own ones away: Connection names the headers that end at the next hop, and a proxy that adds first and strips afterwards
 * strips its own.
 */

/** What only we may say, in the spelling of documents. */
const ours = ['X-Auth-Subject', 'X-Auth-Session', 'X-Auth-Scope', 'Authorization', 'X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Port', 'X-Forwarded-Proto', 'X-Request-Id', 'CDN-Loop']

/** What other gateways say, and services behind one may believe. We never say it, so nobody does. */
const others = ['Forwarded', 'X-Real-IP', 'X-Forwarded-Prefix', 'X-Forwarded-User', 'X-Forwarded-Email', 'X-Forwarded-Groups', 'X-Forwarded-Preferred-Username', 'X-Forwarded-Access-Token', 'X-Forwarded-Uri', 'X-Forwarded-Client-Cert', 'Client-Cert', 'Client-Cert-Chain', 'X-Forwarded-Server', 'X-Forwarded', 'Proxy-Authorization', 'X-Original-URL', 'X-Rewrite-URL']

/** Spellings of a name that somebody reads as that name. */
function spellings (name: string): string[] {
  const odd = [...name].map((letter, index) => index % 2 === 0 ? letter.toLowerCase() : letter.toUpperCase()).join('')
  const first = name.replace('-', '_')
  const joined = [...'.!#$%&\'*+^`|~', '--', '_.'].flatMap(other => [name.replaceAll('-', other), `${name}${other}`, `${other}${name.toLowerCase()}`])
  return [...new Set([name, name.toLowerCase(), name.toUpperCase(), odd, name.replaceAll('-', '_'), name.replaceAll('-', '_').toUpperCase(), first, first.toLowerCase(), ...joined])]
}

async function start (t: Test) {
  const up = await startUpstream(t)
  const { url } = await startGateway(t, {
    upstreams: [
      { prefix: '/mint', target: up.url, audience: 'up' }, { prefix: '/headers', target: up.url, audience: 'up', forward: 'headers' }, { prefix: '/none', target: up.url, audience: 'up', forward: 'none' },
      { prefix: '/public', target: up.url, access: 'public', forward: 'headers' }
    ]
  })
  const { cookie, sid } = await signIn(url)
  const port = Number(new URL(url).port)
  /** What the upstream is sent when a client sends these lines. */
  const send = async (path: string, lines: string[], credential = `Cookie: ${cookie}; theme=dark`): Promise<RecordedRequest> => {
    const answer = await sendRaw(t, port, [`GET ${path} HTTP/1.1`, 'Host: evil.example', ...credential === '' ? [] : [credential], ...lines, '', ''].join('\r\n')).until(/\r\n\r\n[^]*(ok|PTC_)/)
    t.match(answer, /^HTTP\/1\.1 200 /, path)
    return up.requests.pop()!
  }
  return { send, sid, url }
}

/** The lines that carry a name, however it is spelt. */
function linesOf ({ rawHeaders }: RecordedRequest, name: string): string[] {
  return rawHeaders.filter((_, index) => index % 2 === 1 && readAsCgi(rawHeaders[index - 1]!) === readAsCgi(name))
}

/** The variable that a server of the CGI kind makes of a name, and the library behind it trims. */
function readAsCgi (name: string): string {
  return name.toUpperCase().replace(/[^A-Z0-9]+/g, '_').replace(/^_|_$/g, '')
}

/** What the upstream is told by each kind of `forward`, and nothing else of that kind. */
function assertOurs (t: Test, request: RecordedRequest, path: string, sid: string): void {
  const expected: Record<string, RegExp | null> = {
    'X-Auth-Subject': path === '/headers' ? /^ada$/ : null,
    'X-Auth-Session': path === '/headers' ? new RegExp(`^${sid}$`) : null,
    'X-Auth-Scope': path === '/headers' ? /^orders:read orders:write$/ : null,
    Authorization: path === '/mint' ? /^Bearer ey/ : null,
    'X-Forwarded-For': /^127\.0\.0\.1$/,
    'X-Forwarded-Host': /^app\.example\.com$/,
    'X-Forwarded-Proto': /^https$/,
    'X-Forwarded-Port': /^443$/,
    'X-Request-Id': /^[\da-f-]{36}$/,
    'CDN-Loop': /portcullis-[\da-f]{16}$/
  }
  for (const [name, value] of Object.entries(expected)) {
    const lines = linesOf(request, name)
    t.equal(lines.length, value === null ? 0 : 1, `${path} ${name}: ${lines.join()}`)
    if (value !== null) t.match(lines[0], value, `${path} ${name}`)
  }
  for (const name of others) t.same(linesOf(request, name), [], `${path} ${name}`)
}

t.test('no spelling of a header that we add arrives from a client, and ours arrives once', async t => {
  const { send, sid } = await start(t)
  for (const path of ['/mint', '/headers', '/none']) {
    for (const name of [...ours, ...others].filter(name => name !== 'Authorization')) {
      const forged = spellings(name).flatMap(spelling => [`${spelling}: forged`, `${spelling}: forged-again`])
      assertOurs(t, await send(path, forged), path, sid)
    }
  }
})

t.test('nobody is somebody by headers: where no credential is, an upstream is told of none', async t => {
  const { send } = await start(t)
  for (const credential of ['', 'Cookie: __Host-Http-portcullis=forged', 'Authorization: Bearer forged', 'Authorization: Basic YWRhOmFkYQ==']) {
    const request = await send('/public', ['X-Auth-Subject', 'X-Auth-Session', 'X-Auth-Scope'].flatMap(spellings).map(name => `${name}: admin`), credential)
    for (const name of ['X-Auth-Subject', 'X-Auth-Session', 'X-Auth-Scope', 'Authorization']) t.same(linesOf(request, name), [], name)
  }
})

t.test('Connection takes away what the client sent, never what we add', async t => {
  const { send, sid } = await start(t)
  const names = [...ours, 'Host', 'Cookie', 'X-Private', 'Content-Length']
  for (const path of ['/mint', '/headers', '/none']) {
    for (const spelling of [(name: string) => name, (name: string) => name.toLowerCase(), (name: string) => name.toUpperCase(), (name: string) => spellings(name)[3]!]) {
      for (const lines of [
        [`Connection: close, ${names.map(spelling).join(', ')}`],
        names.map(name => `Connection: ${spelling(name)}`),
        [`Connection: ,,\t${names.map(spelling).join('\t,, ')} ,`, 'Connection: close']
      ]) {
        const request = await send(path, [...lines, 'X-Private: secret', 'X-Kept: yes'])
        assertOurs(t, request, path, sid)
        t.match(request.headers, { 'x-kept': 'yes', host: 'app.example.com' })
        t.notHas(request.headers, 'x-private')
        t.notHas(request.headers, 'cookie')
      }
    }
  }
})

t.test('what belongs to one connection ends with it', async t => {
  const { send } = await start(t)
  const request = await send('/none', ['Connection: Keep-Alive, TE, Trailer', 'Keep-Alive: timeout=1000', 'Proxy-Connection: keep-alive', 'TE: trailers, deflate', 'Trailer: X-Auth-Subject', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAAQ', 'Proxy-Authorization: Basic YTpi', 'Proxy-Authenticate: Basic', 'Proxy-Authentication-Info: x', 'Expect: nothing'])

  for (const name of ['keep-alive', 'proxy-connection', 'te', 'trailer', 'upgrade', 'http2-settings', 'proxy-authorization', 'proxy-authenticate', 'proxy-authentication-info', 'expect', 'transfer-encoding']) t.notHas(request.headers, name)
})

t.test('one name of a thousand that is none of ours arrives as it was sent', async t => {
  const { send, sid } = await start(t)
  const names = Array.from({ length: 300 }, (_, index) => `X-Auth-Subject${index}`)

  const request = await send('/headers', [...names.map(name => `${name}: ${name}`), 'X_Auth: a', 'X-Auth: b', 'Auth-Subject: c', 'X-Authorization: d'])

  for (const name of names) t.equal(request.headers[name.toLowerCase()], name)
  t.match(request.headers, { x_auth: 'a', 'x-auth': 'b', 'auth-subject': 'c', 'x-authorization': 'd' })
  assertOurs(t, request, '/headers', sid)
})

t.test('two lines of one header never make a third meaning', async t => {
  const { url } = await start(t)
  const port = Number(new URL(url).port)
  const { token } = await signInForTokens(url)
  const { cookie } = await signIn(url)
  for (const [what, lines, status] of [
    ['two Authorization lines', [`Authorization: Bearer ${token}`, 'Authorization: Basic x'], 400],
    ['the same token twice', [`Authorization: Bearer ${token}`, `Authorization: Bearer ${token}`], 400],
    ['a list of tokens', [`Authorization: Bearer ${token}, Bearer ${token}`], 401],
    ['two Cookie lines with one session', [`Cookie: ${cookie}`, `Cookie: ${cookie}`], 400],
    ['two sites, of which one is ours', [`Cookie: ${cookie}`, 'Sec-Fetch-Site: same-origin', 'Sec-Fetch-Site: cross-site'], 403],
    ['two sites, of which one is ours, in the other order', [`Cookie: ${cookie}`, 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Site: same-origin'], 403],
    ['two origins, of which one is ours', [`Cookie: ${cookie}`, `Origin: ${origin}`, 'Origin: https://evil.example'], 403],
    ['two origins, of which the other is ours', [`Cookie: ${cookie}`, 'Origin: https://evil.example', `Origin: ${origin}`], 403]
  ] as const) {
    const answer = await sendRaw(t, port, ['POST /none HTTP/1.1', 'Host: a', 'Connection: close', 'Content-Length: 0', ...lines, '', ''].join('\r\n')).ended
    t.match(answer, new RegExp(`^HTTP/1\\.1 ${status} `), what)
  }
})

t.test('a minted token says what we know, whatever the client says of itself', async t => {
  const { send, sid } = await start(t)

  const request = await send('/mint', ['X-Auth-Subject: admin', 'X-Auth-Scope: admin', 'X-User: admin', 'Sub: admin'])

  t.match(claimsOf(request.headers.authorization), { sub: 'ada', sid, scope: 'orders:read orders:write', aud: 'up' })
})
