import fc from 'fast-check'
import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { signIn, startGateway } from '../helpers/build-gateway.ts'
import { sendRaw } from '../helpers/proxy.ts'
import { startRawUpstream } from '../helpers/upstream.ts'

/*
 * The attack: a line break, or a second length, in what the gateway writes itself. A path, a header, a subject of a directory or
 * the length of a body that was put together anew: if a client gets CRLF into one of them, what follows is a header or a request of
 * the client's, with the gateway's credentials beside it.
 *
 * The service below is a bare socket and sees the bytes as they are. Whatever a client sends, and whoever it is, there is one
 * request line, each header line is well-formed, the end of the body is told once, and the bytes that follow the head are the body.
 */

interface Seen { line: string, headers: Array<[name: string, value: string]>, body: string }

/** Bytes of one connection as requests, read strictly; a text when they cannot be. */
function parseStrictly (bytes: string): Seen[] | string {
  const seen: Seen[] = []
  for (let rest = bytes; rest !== '';) {
    const end = rest.indexOf('\r\n\r\n')
    if (end === -1) return 'a head without an end'
    const [line = '', ...lines] = rest.slice(0, end).split('\r\n')
    if (!/^[A-Z-]+ \/[\x21-\x7e\x80-\xff]* HTTP\/1\.1$/.test(line)) return `request line ${JSON.stringify(line)}`
    const headers = lines.map(text => /^([\w!#$%&'*+.^`|~-]+): ?([\t\x20-\x7e\x80-\xff]*)$/.exec(text)?.slice(1) as [string, string] | undefined)
    if (headers.includes(undefined)) return `header lines ${JSON.stringify(lines)}`
    const all = headers as Array<[string, string]>
    const lengths = all.filter(([name]) => name.toLowerCase() === 'content-length')
    const codings = all.filter(([name]) => name.toLowerCase() === 'transfer-encoding')
    if (lengths.length + codings.length > 1) return `two ends ${JSON.stringify([...lengths, ...codings])}`
    if (all.filter(([name]) => name.toLowerCase() === 'host').length !== 1) return 'not one Host'
    const after = rest.slice(end + 4)
    const body = codings.length === 0 ? bodyOf(after, lengths[0]?.[1] ?? '0') : chunksOf(after)
    if (body === null) return 'a body that is cut'
    seen.push({ line, headers: all, body: body.text })
    rest = after.slice(body.bytes)
  }
  return seen
}

function bodyOf (after: string, length: string): { text: string, bytes: number } | null {
  if (!/^\d+$/.test(length) || after.length < Number(length)) return null
  return { text: after.slice(0, Number(length)), bytes: Number(length) }
}

function chunksOf (after: string): { text: string, bytes: number } | null {
  let text = ''
  for (let at = 0; ;) {
    const match = /^([\da-f]+)\r\n/i.exec(after.slice(at))
    if (match === null) return null
    const size = parseInt(match[1]!, 16)
    const begin = at + match[0].length
    if (after.slice(begin + size, begin + size + 2) !== '\r\n') return null
    text += after.slice(begin, begin + size)
    at = begin + size + 2
    if (size === 0) return { text, bytes: at }
  }
}

async function start (t: Test) {
  const upstream = await startRawUpstream(t, (socket: Socket, sent: string) => { if (typeof parseStrictly(sent) !== 'string') socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok') })
  const { url } = await startGateway(t, {
    identity: async ({ username }: { username: string }) => ({ subject: username, scopes: ['orders:read'] }),
    session: { maxPerSubject: 1000 },
    upstreams: [
      { prefix: '/pub', target: upstream.url, access: 'public', timeout: '2s' }, { prefix: '/headers', target: upstream.url, audience: 'up', forward: 'headers', timeout: '2s' },
      { prefix: '/mint', target: upstream.url, audience: 'up', rewritePrefix: '/v1', timeout: '2s' }
    ]
  })
  let read = 0
  /** The requests that have come since the last time; fails the test over bytes that are none. */
  const seen = (what: string): Seen[] => {
    const fresh = upstream.connections.slice(read)
    read = upstream.connections.length
    return fresh.flatMap(bytes => {
      const parsed = parseStrictly(bytes)
      if (typeof parsed === 'string') t.fail(`${what}: ${parsed}`)
      return typeof parsed === 'string' ? [] : parsed
    })
  }
  return { url, port: Number(new URL(url).port), seen }
}

const end = 'Connection: close\r\n\r\n'
const inner = 'GET /canary HTTP/1.1\r\nHost: a\r\n\r\n'
const chunked = 'Transfer-Encoding: chunked\r\n'
const oneChunk = `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`

const bodies: Array<[what: string, lines: string, bytes: string, arrives: string]> = [
  ['no body', '', '', ''],
  ['a length of zero', 'Content-Length: 0\r\n', '', ''],
  ['a length of zeros', 'Content-Length: 00\r\n', '', ''],
  ['a length', `Content-Length: ${inner.length}\r\n`, inner, inner],
  ['a length with zeros before', `Content-Length: 000${inner.length}\r\n`, inner, inner],
  ['chunks', chunked, oneChunk, inner],
  ['many chunks', chunked, `${[...inner].map(letter => `1\r\n${letter}\r\n`).join('')}0\r\n\r\n`, inner],
  ['no chunk but the last', chunked, '0\r\n\r\n', ''],
  ['chunks with extensions and trailers', `Trailer: X-Auth-Subject\r\n${chunked}`, `${inner.length.toString(16)};a=b\r\n${inner}\r\n0;c\r\nX-Auth-Subject: admin\r\n\r\n`, inner],
  ['a length that Connection names', `Connection: Content-Length\r\nContent-Length: ${inner.length}\r\n`, inner, inner],
  ['chunks that Connection names', `Connection: Transfer-Encoding\r\n${chunked}`, oneChunk, inner],
  ['lengths in other spellings', `Content_Length: 5\r\nX-Content-Length: 5\r\nContent-Length: ${inner.length}\r\n`, inner, inner]
]

t.test('every way to send a body, or none, is one request with one end upstream', async t => {
  const { port, seen } = await start(t)
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY', 'PROPFIND']) {
    for (const [what, lines, bytes, arrives] of bodies) {
      const answer = await sendRaw(t, port, `${method} /pub HTTP/1.1\r\nHost: a\r\n${lines}${end}${bytes}`).ended

      t.match(answer, /^HTTP\/1\.1 200 /, `${method}, ${what}`)
      const requests = seen(what)
      t.same(requests.map(request => [request.line, request.body]), [[`${method} /pub HTTP/1.1`, arrives]], `${method}, ${what}`)
      t.notMatch(JSON.stringify(requests[0]?.headers), /admin|content_length/i, 'neither trailers nor other spellings')
    }
  }
})

const breaks = ['\r\n', '\n', '\r', '\r\nX-Evil: 1', '\r\n\r\nGET /canary HTTP/1.1\r\nHost: a\r\n\r\n', '\0', '\u010a', '\u560d\u560a', '\u2028', '\x85', ' HTTP/1.1\r\n']

t.test('a line break in a path, a query, a header, a cookie or a name is none upstream', async t => {
  const { port, url, seen } = await start(t)
  for (const text of breaks) {
    const utf8 = Buffer.from(text).toString('latin1')
    const encoded = encodeURIComponent(text)
    for (const request of [
      `GET /pub/${encoded} HTTP/1.1\r\nHost: a\r\n`, `GET /pub?${encoded} HTTP/1.1\r\nHost: a\r\n`, `GET /pub/%25${encoded.slice(1)} HTTP/1.1\r\nHost: a\r\n`, `GET /pub?${utf8} HTTP/1.1\r\nHost: a\r\n`, `GET /pub/${utf8} HTTP/1.1\r\nHost: a\r\n`,
      `GET /pub HTTP/1.1\r\nHost: a\r\nX: ${encoded}\r\n`, `GET /pub HTTP/1.1\r\nHost: a\r\nX: ${utf8.replaceAll(/[\r\n\0]/g, '')}\r\n`, `GET /pub HTTP/1.1\r\nHost: a\r\nCookie: a=${encoded}; b=2\r\n`, `GET /pub HTTP/1.1\r\nHost: a\r\nCDN-Loop: ${encoded}\r\n`,
      `GET /pub HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ${encoded}\r\nX-Request-Id: ${encoded}\r\n`
    ]) await sendRaw(t, port, request + end).ended
    const login = await fetch(`${url}/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username: `ada${text}`, password: 'x' }) })
    t.equal(login.status, 500, 'a directory that names somebody so is refused')

    for (const { line, headers } of seen(JSON.stringify(text))) {
      t.notMatch(line, 'canary HTTP')
      t.notOk(headers.some(([name]) => name.toLowerCase() === 'x-evil'))
    }
  }
})

t.test('whatever bytes a client sends as a path and as headers, what goes on is well-formed', async t => {
  const { port, url, seen } = await start(t)
  const { cookie } = await signIn(url)
  const bytes = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map(code => String.fromCharCode(code)), maxLength: 30 })
  const name = fc.oneof(fc.constantFrom('X', 'Accept', 'Cookie', 'Content-Type', 'X-Forwarded-For', 'Connection', 'Via', 'CDN-Loop', 'Referer', 'TE', 'Expect', 'Upgrade', 'Authorization'), bytes)
  let passed = 0
  await fc.assert(fc.asyncProperty(fc.constantFrom('/pub', '/headers', '/mint'), fc.oneof({ weight: 3, arbitrary: bytes }, { weight: 1, arbitrary: fc.constantFrom('', '/', '?') }), fc.array(fc.tuple(name, bytes), { maxLength: 5 }), async (prefix, path, lines) => {
    await sendRaw(t, port, `GET ${prefix}${path} HTTP/1.1\r\nHost: a\r\nCookie: ${cookie}\r\n${lines.map(([header, value]) => `${header}: ${value}\r\n`).join('')}${end}`).ended
    const requests = seen(JSON.stringify([path, lines]))
    passed += requests.length
    return requests.length <= 1
  }), { numRuns: 2000 })
  t.ok(passed > 20, `${passed} passed`)
})
