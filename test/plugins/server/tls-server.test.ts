import { once } from 'node:events'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { makeCertificate } from '../../helpers/certificate.ts'
import { settlesWithin } from '../../helpers/patience.ts'
import { eventually, sendRaw, startProxy, type Gateway } from '../../helpers/proxy.ts'
import { startUpstream, type Upstream } from '../../helpers/upstream.ts'

const certificate = makeCertificate()

async function start (t: Test): Promise<Gateway & { upstream: Upstream }> {
  const upstream = await startUpstream(t)
  const gateway = await startProxy(t, [{ target: upstream.url }], { tls: certificate, headersTimeoutMs: 300 })
  t.teardown(() => { gateway.app.server.closeAllConnections() })
  return { ...gateway, upstream }
}

/** A connection whose handshake is done. */
async function open (t: Test, port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port, host: '127.0.0.1', ca: certificate.cert, ...options })
  t.teardown(() => { socket.destroy() })
  await once(socket, 'secureConnect')
  socket.on('error', () => {})
  return socket
}

async function answerOf (socket: Socket): Promise<string> {
  let received = ''
  socket.on('data', chunk => { received += String(chunk) })
  await once(socket, 'close')
  return received
}

async function ask (t: Test, port: number, options?: ConnectionOptions): Promise<string> {
  const socket = await open(t, port, options)
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  return await answerOf(socket)
}

t.test('TLS ends here, and the upstream is told what the origin says', async t => {
  const { port, upstream } = await start(t)

  t.match(await ask(t, port), /^HTTP\/1\.1 200 [^]*ok/)

  t.match(upstream.requests[0]!.headers, { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'app.example.com', 'x-forwarded-for': '127.0.0.1' })
})

t.test('TLS 1.2 and 1.3 are spoken, older versions are not, and the protocol is HTTP/1.1', async t => {
  const { port } = await start(t)

  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = await open(t, port, { minVersion: version, maxVersion: version, ALPNProtocols: ['h2', 'http/1.1'] })
    t.equal(socket.getProtocol(), version)
    t.equal(socket.alpnProtocol, 'http/1.1')
  }
  for (const version of ['TLSv1', 'TLSv1.1'] as const) {
    await t.rejects(open(t, port, { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }), version)
  }
})

t.test('what is no handshake ends the connection, unanswered, and nothing else', async t => {
  const { port } = await start(t)

  for (const [what, bytes] of [
    ['plain HTTP', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['garbage', '\x00\xff'.repeat(200)],
    ['a record of a version that does not exist', '\x16\x09\x09\x00\x05hello'],
    ['half a hello', '\x16\x03\x01\x02\x00\x01\x00']
  ] as const) {
    const answer = await sendRaw(t, port, bytes).ended
    t.notMatch(answer, /HTTP|PTC_ERR/, what)
  }

  t.match(await ask(t, port), /^HTTP\/1\.1 200 /)
})

t.test('a handshake has as long as a request head', async t => {
  const { port } = await start(t)
  const startedAt = performance.now()

  t.ok(await settlesWithin(5000, sendRaw(t, port, '').ended))

  const tookMs = performance.now() - startedAt
  t.ok(tookMs > 200, `${tookMs} ms`)
})

t.test('a renegotiation is refused, and harms nobody else', async t => {
  const { port } = await start(t)
  const socket = await open(t, port, { maxVersion: 'TLSv1.2' })
  let received = ''
  socket.on('data', chunk => { received += String(chunk) })

  const outcome = await new Promise(resolve => {
    socket.once('error', resolve)
    socket.once('close', () => { resolve('closed') })
    socket.renegotiate({ rejectUnauthorized: false }, resolve)
  })

  t.ok(outcome, 'the client learns of it')
  t.equal(received, '')
  t.match(await ask(t, port), /^HTTP\/1\.1 200 /)
})

t.test('records that are none end a connection in the middle of a request', async t => {
  const { port, upstream } = await start(t)
  const raw = connectPlain(port, '127.0.0.1')
  const socket = await open(t, port, { socket: raw })
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345')
  await eventually(() => upstream.requests.length === 1)

  raw.write('\x17\x03\x03\x00\x20' + 'x'.repeat(32), 'latin1')
  await once(raw, 'close')

  t.match(await ask(t, port), /^HTTP\/1\.1 200 /)
})

t.test('what the parser refuses is a problem over TLS too', async t => {
  const { port } = await start(t)
  for (const [bytes, status] of [['nonsense\r\n\r\n', 400], [`GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431], ['GET / HTTP/1.1\r\n', 408]] as const) {
    const socket = await open(t, port)
    socket.write(bytes)
    t.match(await answerOf(socket), new RegExp(`^HTTP/1\\.1 ${status} [^]*application/problem\\+json[^]*PTC_ERR_`))
  }
})

t.test('closing waits neither for idle connections nor for handshakes', async t => {
  const upstream = await startUpstream(t)
  const { app, port } = await startProxy(t, [{ target: upstream.url }], { tls: certificate })
  const idle = await open(t, port)
  const silent = sendRaw(t, port, '')
  await once(silent.socket, 'connect')
  idle.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await once(idle, 'data')

  const closed = app.close()
  app.server.closeAllConnections()

  await closed
  await silent.ended
  t.ok(idle.destroyed || await once(idle, 'close'))
})
