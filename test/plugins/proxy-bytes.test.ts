import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import type { onRequestHookHandler } from 'fastify'
import t, { type Test } from 'tap'
import { startGateway } from '../helpers/build-gateway.ts'
import { makeCertificate } from '../helpers/certificate.ts'
import { sendRaw, startProxy } from '../helpers/proxy.ts'
import { startRawUpstream } from '../helpers/upstream.ts'
import { readAnswer, valuesOf } from '../helpers/wire.ts'

/** UTF-8 and Latin-1 as they stand on the wire, one character a byte. */
const utf8 = Buffer.from('attachment; filename="日本.pdf"').toString('latin1')
const latin1 = 'attachment; filename="caf\xe9.pdf"'
const every = Array.from({ length: 128 }, (_, index) => String.fromCharCode(128 + index)).join('')

const fields: Array<[name: string, value: string]> = [
  ['content-disposition', utf8], ['x-latin', latin1], ['x-every', every], ['location', `/${every}?${every}`], ['set-cookie', `a=${every}`], ['set-cookie', `b=${utf8}`], ['etag', `"${every}"`], ['content-type', `text/plain; x="${every}"`], ['x-empty', '']
]
const lines = fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')

/** What an upstream writes, and when: each answer as the steps to it. */
const timings: Record<string, { head: string, steps?: string[], method?: string, body?: string }> = {
  'no body': { head: `HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${lines}\r\n` },
  'a small body at once': { head: `HTTP/1.1 200 OK\r\n${lines}Content-Length: 2\r\n\r\nok`, body: 'ok' },
  'the length before the other fields': { head: `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${lines}\r\nok`, body: 'ok' },
  'a late body': { head: `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${lines}\r\n`, steps: ['ok'], body: 'ok' },
  'a body in pieces': { head: `HTTP/1.1 200 OK\r\nContent-Length: 4\r\n${lines}\r\no`, steps: ['k', 'ay'], body: 'okay' },
  'a big body': { head: `HTTP/1.1 200 OK\r\n${lines}Content-Length: 20000\r\n\r\n${'x'.repeat(20_000)}`, body: 'x'.repeat(20_000) },
  chunked: { head: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n${lines}\r\n2\r\nok\r\n0\r\n\r\n`, body: '2\r\nok\r\n0\r\n\r\n' },
  'chunked and late': { head: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n${lines}\r\n`, steps: ['2\r\nok\r\n', '0\r\n\r\n'], body: '2\r\nok\r\n0\r\n\r\n' },
  'an event stream': { head: `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/event-stream\r\n${lines.replace(/content-type.*\r\n/, '')}\r\n`, steps: ['3\r\n:\xe9\n\r\n', '0\r\n\r\n'], body: '3\r\n:\xe9\n\r\n0\r\n\r\n' },
  HEAD: { head: `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${lines}\r\n`, method: 'HEAD' },
  'no content': { head: `HTTP/1.1 204 No Content\r\n${lines}\r\n` },
  'not modified': { head: `HTTP/1.1 304 Not Modified\r\nContent-Length: 2\r\n${lines}\r\n` },
  'an error': { head: `HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n${lines}\r\nno`, body: 'no' },
  'a body that ends with the connection': { head: `HTTP/1.1 200 OK\r\nConnection: close\r\n${lines}\r\n`, steps: ['ok', ''], body: '2\r\nok\r\n0\r\n\r\n' }
}

/** An upstream that answers as the name of a timing in the path says; the test lets it take each next step. */
async function startTimed (t: Test) {
  const waiting: Array<() => void> = []
  const answered = new WeakMap<Socket, number>()
  const upstream = await startRawUpstream(t, (socket, sent) => {
    const requests = [...sent.matchAll(/[A-Z]{3,} \/([^ ]*) HTTP\/1\.1\r$/gm)]
    if (requests.length === (answered.get(socket) ?? 0)) return
    answered.set(socket, requests.length)
    const { head, steps = [] } = timings[decodeURIComponent(requests.at(-1)![1]!)]!
    socket.write(head, 'latin1')
    for (const step of steps) waiting.push(() => step === '' ? socket.end() : socket.write(step, 'latin1'))
  })
  return { url: upstream.url, step: () => waiting.shift()?.() }
}

function assertFields (t: Test, text: string, what: string, but: string[] = []): void {
  const answer = readAnswer(text)
  for (const name of new Set(fields.map(([name]) => name))) {
    if (but.includes(name)) continue
    t.strictSame(valuesOf(answer, name), fields.filter(([other]) => other === name).map(([, value]) => value), `${what}: ${name}`)
  }
}

t.test('the bytes of a field arrive as they were sent, whenever the body comes', async t => {
  const upstream = await startTimed(t)
  const { port } = await startProxy(t, [{ target: upstream.url }])
  for (const expectation of ['', 'Expect: something\r\n']) {
    for (const [name, { head, steps = [], method = 'GET', body = '' }] of Object.entries(timings)) {
      const client = sendRaw(t, port, `${method} /${encodeURIComponent(name)} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${expectation}\r\n`)
      for (let i = 0; i < steps.length; i++) {
        // The head, and what came of the body before.
        await client.until(i > 0 && steps[i - 1] !== '' ? /\r\n\r\n[^]+/ : /\r\n\r\n/)
        upstream.step()
      }
      const text = await client.ended
      assertFields(t, text, name, name === 'an event stream' ? ['content-type'] : [])
      t.equal(text.slice(0, text.indexOf('\r\n')), head.slice(0, head.indexOf('\r\n')), name)
      t.equal(text.slice(text.indexOf('\r\n\r\n') + 4), body, name)
    }
  }
})

t.test('the bytes of a field arrive as they were sent where 100 Continue was asked for', async t => {
  const upstream = await startTimed(t)
  const { port } = await startProxy(t, [{ target: upstream.url }])
  for (const name of ['a small body at once', 'the length before the other fields', 'chunked', 'no content']) {
    const client = sendRaw(t, port, `POST /${encodeURIComponent(name)} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\nhi`)
    const text = await client.ended
    assertFields(t, text.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, ''), name)
  }
})

t.test('the bytes of a field arrive as they were sent over TLS', async t => {
  const tls = makeCertificate()
  const upstream = await startTimed(t)
  const { port } = await startProxy(t, [{ target: upstream.url }], { tls })
  for (const name of ['a small body at once', 'a late body', 'chunked and late']) {
    const socket = connectTls({ port, host: '127.0.0.1', ca: tls.cert })
    t.teardown(() => socket.destroy())
    let text = ''
    socket.setEncoding('latin1').on('data', chunk => { text += String(chunk) })
    socket.write(`GET /${encodeURIComponent(name)} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
    const { steps = [] } = timings[name]!
    for (let taken = 0; taken < steps.length; taken++) {
      const length = text.length
      while (text.length === length) await once(socket, 'data')
      upstream.step()
    }
    await once(socket, 'close')
    assertFields(t, text, name)
  }
})

t.test('the bytes of a request arrive as they were sent, in its fields and its cookies', async t => {
  const seen: string[] = []
  const upstream = await startRawUpstream(t, (socket, sent) => {
    seen.push(sent)
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  })
  const { port } = await startProxy(t, [{ target: upstream.url }])
  const client = sendRaw(t, port, `GET /a?q=%E9&u=%C3%A9%c3 HTTP/1.1\r\nHost: a\r\nX-Every: ${every}\r\nX-Utf: ${utf8}\r\nCookie: a=${every}\r\nContent-Disposition: ${latin1}\r\nX-Twice: \xe9\r\nX-Twice: \xc3\xa9\r\nConnection: close\r\n\r\n`)
  t.match(await client.ended, /^HTTP\/1\.1 200 OK\r\n/)

  const [head = ''] = seen
  t.ok(head.startsWith('GET /a?q=%E9&u=%C3%A9%c3 HTTP/1.1\r\n'), JSON.stringify(head.slice(0, 200)))
  for (const line of [`x-every: ${every}`, `x-utf: ${utf8}`, `cookie: a=${every}`, `content-disposition: ${latin1}`, 'x-twice: \xe9, \xc3\xa9']) t.ok(head.includes(`\r\n${line}\r\n`), JSON.stringify(line))
})

t.test('a target with a byte that no URL may have is refused, never changed', async t => {
  const upstream = await startRawUpstream(t, socket => { socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok') })
  const { port } = await startProxy(t, [{ target: upstream.url }])
  for (const target of ['/\xe9', '/a?q=\xe9', '/a?q=\xc3\xa9', '/a?\x80', '/a?\xff']) {
    t.match(await sendRaw(t, port, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`).ended, /^HTTP\/1\.1 400 Bad Request\r\n/, JSON.stringify(target))
  }
  t.strictSame(upstream.connections, [])
})

t.test('the bytes of a handshake arrive as they were sent, in both directions', async t => {
  const seen: string[] = []
  const upstream = await startRawUpstream(t, (socket: Socket, sent) => {
    seen.push(sent)
    const key = /sec-websocket-key: (.*)\r\n/i.exec(sent)![1]!
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${accept}\r\nContent-Length: 0\r\n${lines}\r\n`, 'latin1')
  })
  const { url } = await startGateway(t, { upstreams: [{ prefix: '/', target: upstream.url, access: 'public', websocket: true }] })
  const client = sendRaw(t, Number(new URL(url).port), ['GET /room?q=%E9 HTTP/1.1', 'Host: a', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==', `X-Every: ${every}`, '', ''].join('\r\n'))

  const text = await client.until(/\r\n\r\n/)
  t.match(text, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
  assertFields(t, text, 'the answer')
  t.ok(seen[0]!.startsWith('GET /room?q=%E9 HTTP/1.1\r\n'))
  t.ok(seen[0]!.includes(`\r\nx-every: ${every}\r\n`))
})

t.test('a field that is named as a member of every object arrives', async t => {
  const odd = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'valueOf', '__defineGetter__']
  const upstream = await startRawUpstream(t, socket => { socket.write(`HTTP/1.1 200 OK\r\n${odd.map(name => `${name}: 1\r\n${name}: 2\r\n`).join('')}Content-Length: 2\r\n\r\nok`) })
  for (const cors of ['keep', 'strip'] as const) {
    const { port } = await startProxy(t, [{ target: upstream.url, cors }])
    const answer = readAnswer(await sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').ended)
    t.equal(answer.status, 200)
    for (const name of odd) t.strictSame(valuesOf(answer, name.toLowerCase()), ['1', '2'], `${name}, ${cors}`)
  }
})

t.test('a field that no server may send is an answer that says 502, with nothing of the upstream\'s', async t => {
  for (const line of ['X-Control: a\x01b', 'X-Control: a\x7fb', 'X-Control: a\x00b', 'X-Control\xe9: a', 'X Control: a']) {
    const upstream = await startRawUpstream(t, socket => { socket.write(`HTTP/1.1 204 No Content\r\nX-Before: 1\r\n${line}\r\nX-After: 1\r\n\r\n`, 'latin1') })
    const { port } = await startProxy(t, [{ target: upstream.url }])
    const answer = readAnswer(await sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').ended)
    t.match(answer.text, /^HTTP\/1\.1 502 Bad Gateway\r\n/, JSON.stringify(line))
    t.match(JSON.parse(answer.body), { code: 'PTC_ERR_UPSTREAM_RESPONSE_INVALID', status: 502 })
    t.notMatch(answer.text, /x-before|x-after|x-control/i)
  }
})

t.test('the reason phrase of an error belongs to its status, whatever was tried before', async t => {
  const upstream = await startRawUpstream(t, socket => { socket.write('HTTP/1.1 200 Fine\r\nContent-Length: 2\r\n\r\nok') })
  const failWhenAsked: onRequestHookHandler = (request, reply, done) => {
    if (request.headers['x-fail'] === undefined) return done()
    t.throws(() => reply.raw.writeHead(201, ['X-Wide', '日本']), { code: 'ERR_INVALID_CHAR' })
    done(new Error('after a head that could not be written'))
  }
  const { port } = await startProxy(t, [{ target: upstream.url, onRequest: [failWhenAsked] }])

  t.match(await sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').ended, /^HTTP\/1\.1 200 OK\r\n/)
  t.match(await sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nX-Fail: 1\r\nConnection: close\r\n\r\n').ended, /^HTTP\/1\.1 500 Internal Server Error\r\n/)
})
