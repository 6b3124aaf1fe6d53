import { once } from 'node:events'
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:https'
import t from 'tap'
import { makeCertificate } from '../helpers/certificate.ts'
import { eventually, sendRaw, startProxy } from '../helpers/proxy.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { startRawUpstream, startUpstream } from '../helpers/upstream.ts'
import { readAnswer } from '../helpers/wire.ts'

const get = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

t.test('an upload that an upstream refuses without reading it gets the refusal', async t => {
  const length = 20_000_000
  const upstream = await startRawUpstream(t, (socket, sent) => {
    if (!sent.includes('\r\n\r\n') || socket.writableEnded) return
    socket.pause()
    // Bytes that were not read make the system reset the connection right behind the response.
    socket.end('HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge', () => { socket.destroy() })
  })
  const { port, counter } = await startProxy(t, [{ target: upstream.url }])
  const block = Buffer.alloc(1_000_000, 'x')

  let refusals = 0
  for (let i = 0; i < 20; i++) {
    const client = sendRaw(t, port, `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`)
    for (let sent = 0; sent < length && !client.socket.destroyed && !client.received().includes('\r\n\r\n'); sent += block.length) {
      if (!client.socket.write(block)) await Promise.race([once(client.socket, 'drain'), once(client.socket, 'close'), client.until(/\r\n\r\n/).catch(() => {})])
    }
    const answer = await client.until(/\r\n\r\n[^]*(?:large|\})$/).catch(() => client.received())
    if (/^HTTP\/1\.1 413 [^]*large$/.test(answer)) refusals++
    client.socket.destroy()
    await eventually(() => counter.inFlight === 0)
  }
  t.ok(refusals >= 19, `${refusals} of 20`)
})

t.test('a response that comes before the end of an upload is the response, and the connection goes on or ends', async t => {
  for (const ending of ['Connection: close\r\n', '']) {
    const upstream = await startRawUpstream(t, (socket, sent) => {
      if (!sent.includes('\r\n\r\n') || socket.writableEnded) return
      const bytes = `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n${ending}\r\nok`
      if (ending === '') socket.write(bytes)
      else socket.end(bytes)
    })
    const { port } = await startProxy(t, [{ target: upstream.url }])
    const client = sendRaw(t, port, 'PUT /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf.')
    await client.until(/ok$/)
    client.socket.write('half.GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')

    t.match(await client.ended, /^HTTP\/1\.1 200 [^]*okHTTP\/1\.1 200 [^]*ok$/)
    t.notMatch(upstream.connections.find(sent => sent.includes('/b')), '/a', 'a connection with half a body serves no other request')
  }
})

t.test('informational responses are not passed on, and the response behind them is', async t => {
  for (const before of ['HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n', 'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n']) {
    const upstream = await startRawUpstream(t, socket => { socket.end(`${before}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`) })
    const { port } = await startProxy(t, [{ target: upstream.url }])
    const { status, body, text } = readAnswer(await sendRaw(t, port, get).ended)
    t.strictSame([status, body], [200, 'ok'], before)
    t.notMatch(text, /preload|Continue/)
  }
})

t.test('a response that is cut never ends as a whole one', async t => {
  const deaths: Array<[how: string, die: (socket: Socket) => void]> = [['ends', socket => { socket.end() }], ['is reset', socket => { socket.resetAndDestroy() }]]
  for (const [how, die] of deaths) {
    for (const [what, head] of [['a length', 'Content-Length: 10\r\n'], ['chunks', 'Transfer-Encoding: chunked\r\n'], ['no length', '']] as const) {
      if (what === 'no length' && how === 'ends') continue
      const part = what === 'chunks' ? '4\r\npart\r\n' : 'part'
      const upstream = await startRawUpstream(t, socket => { socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n${part}`, () => { setTimeout(die, 50, socket) }) })
      const { port } = await startProxy(t, [{ target: upstream.url }])
      const answer = await sendRaw(t, port, get).ended

      t.match(answer, /^HTTP\/1\.1 200 /, `${what}, ${how}`)
      t.notMatch(answer, /0\r\n\r\n$/, `${what}, ${how}: without the last chunk`)
      t.match(answer, what === 'a length' ? /content-length: 10\r\n[^]*\r\n\r\npart$/ : /\r\n\r\n4\r\npart\r\n$/, `${what}, ${how}`)
    }
  }
})

t.test('a body that ends with its connection in order is whole', async t => {
  const upstream = await startRawUpstream(t, socket => { socket.end('HTTP/1.1 200 OK\r\n\r\nwhole') })
  const { port } = await startProxy(t, [{ target: upstream.url }])

  t.match(await sendRaw(t, port, get).ended, /\r\n\r\n5\r\nwhole\r\n0\r\n\r\n$/)
})

t.test('no byte behind a response is in another one', async t => {
  const forged = 'HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged'
  for (const wait of [0, 20]) {
    const upstream = await startRawUpstream(t, socket => {
      const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
      if (wait === 0) socket.write(ok + forged)
      else socket.write(ok, () => { setTimeout(() => { socket.write(forged) }, wait) })
    })
    const { port } = await startProxy(t, [{ target: upstream.url, connections: 1 }])
    for (let i = 0; i < 5; i++) {
      t.equal(readAnswer(await sendRaw(t, port, get).ended).body, 'ok')
      await new Promise(resolve => { setTimeout(resolve, wait * 3) })
    }
    t.equal(upstream.connections.length, 5, 'each connection was given up')
  }
})

t.test('the head of a response has a limit, which the error names', async t => {
  const upstream = await startRawUpstream(t, socket => { socket.end(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(2000)}\r\nContent-Length: 0\r\n\r\n`) })
  const small = await startProxy(t, [{ target: upstream.url, responseHeadBytes: 1024 }])
  const enough = await startProxy(t, [{ target: upstream.url, responseHeadBytes: 4096 }])

  t.match(readAnswer(await sendRaw(t, small.port, get).ended), { status: 502, body: /PTC_ERR_UPSTREAM_RESPONSE_INVALID/ })
  t.equal(readAnswer(await sendRaw(t, enough.port, get).ended).status, 200)
})

t.test('requests are shared among the targets, and one that refuses connections gets none of them', async t => {
  const upstreams = await Promise.all([1, 2, 3].map(async () => await startUpstream(t)))
  const refusing = `http://127.0.0.1:${await findClosedPort()}`
  const { url } = await startProxy(t, [{ targets: [...upstreams.map(upstream => upstream.url), refusing] }])

  for (let i = 0; i < 20; i++) {
    const answers = await Promise.all(Array.from({ length: 10 }, async () => (await fetch(url, { method: 'POST', body: 'x' })).status))
    t.strictSame(new Set(answers), new Set([200]))
  }
  for (const { requests } of upstreams) t.ok(requests.length > 20, `${requests.length} of 200`)
})

t.test('without a target that accepts connections it is 502, and the client may come back', async t => {
  const targets = [`http://127.0.0.1:${await findClosedPort()}`, `http://127.0.0.1:${await findClosedPort()}`]
  const { port } = await startProxy(t, [{ targets }])

  t.match(await sendRaw(t, port, get).ended, /^HTTP\/1\.1 502 [^]*retry-after: 1\r\n[^]*PTC_ERR_UPSTREAM_UNREACHABLE/i)
})

t.test('a target that is back gets requests again', async t => {
  const port = await findClosedPort()
  const { url } = await startProxy(t, [{ target: `http://127.0.0.1:${port}` }])
  t.equal((await fetch(url)).status, 502)
  const server = createTcpServer(socket => { socket.on('error', () => {}).end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n') }).listen(port, '127.0.0.1')
  t.teardown(() => server.close())
  await once(server, 'listening')

  t.equal((await fetch(url)).status, 200)
})

t.test('an https upstream with an authority of its own is verified by it, by the name that is set', async t => {
  const authority = makeCertificate({ names: ['authority'] })
  const { cert, key } = makeCertificate({ names: ['wiki.internal'], withAddress: false })
  const server = createTlsServer({ cert, key }, (request, response) => { response.end(`${request.headers.host!} ok`) }).listen(0, '127.0.0.1')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  await once(server, 'listening')
  const target = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const statusWith = async (tls: object): Promise<number> => {
    const { url } = await startProxy(t, [{ target, tls }])
    await fetch(url)
    return (await fetch(url)).status
  }

  t.equal(await statusWith({}), 502)
  t.equal(await statusWith({ ca: authority.cert, servername: 'wiki.internal' }), 502)
  t.equal(await statusWith({ ca: cert, servername: 'other.internal' }), 502)
  t.equal(await statusWith({ ca: cert }), 502)
  t.equal(await statusWith({ ca: cert, servername: 'wiki.internal' }), 200)
})

t.test('an https upstream demands the certificate of the gateway', async t => {
  const own = makeCertificate({ names: ['gateway'] })
  const { cert, key } = makeCertificate({ names: ['localhost'] })
  const server = createTlsServer({ cert, key, ca: own.cert, requestCert: true, rejectUnauthorized: true }, (_request, response) => { response.end('ok') }).listen(0, '127.0.0.1')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  await once(server, 'listening')
  const target = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { url: without } = await startProxy(t, [{ target, tls: { ca: cert } }])
  const { url } = await startProxy(t, [{ target, tls: { ca: cert, cert: own.cert, key: own.key } }])

  t.equal((await fetch(without)).status, 502)
  t.equal((await fetch(url)).status, 200)
  t.equal((await fetch(url)).status, 200)
})

t.test('large bodies pass through TLS byte for byte, in both directions', async t => {
  const { cert, key } = makeCertificate({ names: ['localhost'] })
  const server = createTlsServer({ cert, key }, (request, response) => { request.pipe(response) }).listen(0, '127.0.0.1')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  await once(server, 'listening')
  const { url } = await startProxy(t, [{ target: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, tls: { ca: cert } }])
  const body = Buffer.from(Array.from({ length: 3_000_000 }, (_, at) => (at * 31 + (at >> 8)) & 0xff))

  const answers = await Promise.all([1, 2, 3].map(async () => Buffer.from(await (await fetch(url, { method: 'POST', body })).arrayBuffer())))
  for (const answer of answers) t.ok(answer.equals(body))
})

t.test('addresses and cookies of an upstream under another path are those that browsers see', async t => {
  const upstream = await startUpstream(t, (_request, response) => {
    response.writeHead(302, ['Location', `${upstream.url}/next`, 'Content-Location', '/here', 'Refresh', '1; url=/later', 'Set-Cookie', 'a=1; Path=/', 'Set-Cookie', '__Host-b=2; Path=/; Secure']).end()
  })
  const headersOf = async (options: object): Promise<Array<string | null>> => {
    const { url } = await startProxy(t, [{ prefix: '/app', rewritePrefix: '/', target: upstream.url, ...options }])
    const { headers } = await fetch(`${url}/app/x`, { redirect: 'manual' })
    return [headers.get('location'), headers.get('content-location'), headers.get('refresh'), ...headers.getSetCookie()]
  }

  t.strictSame(await headersOf({}), ['/app/next', '/app/here', '1; url=/app/later', 'a=1; Path=/app', '__Host-b=2; Path=/; Secure'])
  t.strictSame(await headersOf({ redirects: 'keep' }), [`${upstream.url}/next`, '/here', '1; url=/later', 'a=1; Path=/', '__Host-b=2; Path=/; Secure'])
})

t.test('Host is the public one, or the target\'s, and the address of a WebDAV copy goes with it', async t => {
  const upstream = await startUpstream(t)
  const origin = 'https://app.example.com:8443'
  const seen = async (options: object): Promise<unknown[]> => {
    const { url } = await startProxy(t, [{ prefix: '/dav', rewritePrefix: '/', target: upstream.url, origin, ...options }])
    await fetch(`${url}/dav/a`, { method: 'COPY', headers: { destination: `${origin}/dav/b%20c.txt` } })
    const { headers } = upstream.requests.at(-1)!
    return [headers.host, headers.destination, headers['x-forwarded-port'], headers['x-forwarded-prefix']]
  }

  t.strictSame(await seen({}), ['app.example.com:8443', 'http://app.example.com:8443/b%20c.txt', '8443', '/dav'])
  t.strictSame(await seen({ passHostHeader: false }), [`127.0.0.1:${upstream.port}`, `${upstream.url}/b%20c.txt`, '8443', '/dav'])
})
