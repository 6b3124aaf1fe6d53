import t from 'tap'
import { eventually, sendRaw, startProxy } from '../helpers/proxy.ts'
import { startRawUpstream, startUpstream } from '../helpers/upstream.ts'

/*
 * The attack: bytes of a body, or of a response, that the other side reads as another message.
 */

const smuggled = '0\r\n\r\nGET /internal HTTP/1.1\r\nHost: x\r\nX-Auth-Subject: root\r\n\r\n'

t.test('no value of a header changes how a body is sent', async t => {
  const upstream = await startUpstream(t)
  const { port } = await startProxy(t, [{ target: upstream.url, connections: 1, identityHeaders: () => ['x-auth-subject', 'content-length', 'x-other', 'transfer-encoding'] }])
  for (const line of ['X-A: content-length', 'content-length-x: 5', 'Content-Type: content-length', 'X-Request-Id: content-length', 'X: transfer-encoding', 'X: connection\r\nConnection: content-length']) {
    const answer = await sendRaw(t, port, `POST /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n${line}\r\n\r\n${smuggled.length.toString(16)}\r\n${smuggled}\r\n0\r\n\r\n`).ended
    t.match(answer, /^HTTP\/1\.1 200 [^]*ok$/, line)
    t.equal(upstream.requests.at(-1)!.body, smuggled, line)
  }
  t.strictSame(new Set(upstream.requests.map(({ url }) => url)), new Set(['/a']))
})

t.test('a response that has begun is not asked for again, whatever it began with', async t => {
  for (const method of ['GET', 'DELETE', 'PUT', 'PROPFIND']) {
    for (const bytes of ['\x01', 'HTTP/1.1 200 OK\n\n', 'HTTP/1.1 200 OK\r\nA b\r\n\r\n']) {
      const upstream = await startRawUpstream(t, (socket, sent) => { socket.write(sent.includes('/second') ? bytes : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok') })
      const { port } = await startProxy(t, [{ target: upstream.url, connections: 1 }])
      t.match(await sendRaw(t, port, 'GET /first HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').ended, /^HTTP\/1\.1 200 /)
      t.match(await sendRaw(t, port, `${method} /second HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`).ended, /^HTTP\/1\.1 502 [^]*PTC_ERR_UPSTREAM_RESPONSE_INVALID/, JSON.stringify(bytes))
      t.equal(upstream.connections.filter(sent => sent.includes('/second')).length, 1, `${method} ${JSON.stringify(bytes)}`)
    }
  }
})

t.test('a head that trickles ends at the timeout', async t => {
  const upstream = await startRawUpstream(t, socket => {
    socket.write('HTTP/1.1 200 OK\r\nX: ')
    const trickle = setInterval(() => { socket.write('x') }, 50)
    socket.on('close', () => { clearInterval(trickle) })
  })
  const { port } = await startProxy(t, [{ target: upstream.url, timeout: 500 }])

  t.match(await sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').ended, /^HTTP\/1\.1 504 /)
})

t.test('a header that is long and odd costs no other client anything', async t => {
  const upstream = await startUpstream(t, (_request, response) => {
    const blanks = ' '.repeat(14_000)
    response.writeHead(302, { Refresh: `0;url=a${blanks}b`, Location: `/${'/.'.repeat(5000)}`, 'Set-Cookie': `a=1; Path=/${blanks}b`, 'Content-Location': `http:${'/'.repeat(10_000)}` }).end()
  })
  const { port } = await startProxy(t, [{ prefix: '/p', target: upstream.url, rewritePrefix: '/' }])

  // With quadratic time each response would take seconds, and the test would not end within its own time.
  for (let i = 0; i < 100; i++) t.match(await sendRaw(t, port, 'GET /p/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').ended, /^HTTP\/1\.1 302 /)
})

t.test('a request waits for a busy target instead of going to one that refuses', async t => {
  const upstream = await startUpstream(t, (_request, response) => { setTimeout(() => { response.end('ok') }, 50) })
  const { url, counter } = await startProxy(t, [{ targets: [upstream.url, 'http://127.0.0.1:1'], connections: 1 }])

  for (let i = 0; i < 3; i++) t.strictSame(await Promise.all([1, 2, 3, 4].map(async () => (await fetch(url)).status)), [200, 200, 200, 200])
  await eventually(() => counter.inFlight === 0)
})

t.test('a malformed body in the packet of its head is an error, and nothing of it reaches the client', async t => {
  for (const [what, bytes] of [
    ['a size with a line feed', 'Transfer-Encoding: chunked\r\n\r\n2\nok'], ['no size', 'Transfer-Encoding: chunked\r\n\r\n\r\nsecret\r\n'], ['a malformed extension', 'Transfer-Encoding: chunked\r\n\r\n6;=\r\nsecret\r\n0\r\n\r\n'],
    ['a malformed second chunk', 'Transfer-Encoding: chunked\r\n\r\n6\r\nsecret\r\nzz\r\n'], ['a malformed trailer', 'Transfer-Encoding: chunked\r\n\r\n6\r\nsecret\r\n0\r\nA b\r\n\r\n']
  ] as const) {
    const upstream = await startRawUpstream(t, socket => { socket.write(`HTTP/1.1 200 OK\r\nX-Upstream: 1\r\n${bytes}`) })
    const { port, counter } = await startProxy(t, [{ target: upstream.url, connections: 1 }])
    const answer = await sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').ended
    t.match(answer, /^HTTP\/1\.1 502 [^]*PTC_ERR_UPSTREAM_RESPONSE_INVALID/, what)
    t.notMatch(answer, /secret|x-upstream/i, what)
    await eventually(() => counter.inFlight === 0)
  }
})

t.test('informational responses are progress, and a part of one is none', async t => {
  const upstream = await startRawUpstream(t, (socket, sent) => {
    const isWhole = !sent.includes('/part')
    let count = 0
    const saying = setInterval(() => {
      if (++count === 8) {
        clearInterval(saying)
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      } else socket.write(isWhole ? 'HTTP/1.1 102 Processing\r\n\r\n' : count === 1 ? 'HTTP/1.1 102 P' : 'r')
    }, 150)
    socket.on('close', () => { clearInterval(saying) })
  })
  const { port } = await startProxy(t, [{ target: upstream.url, timeout: 700 }])

  t.match(await sendRaw(t, port, 'GET /whole HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').ended, /^HTTP\/1\.1 200 /)
  t.match(await sendRaw(t, port, 'GET /part HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').ended, /^HTTP\/1\.1 504 /)
})
