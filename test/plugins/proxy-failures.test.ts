import { once } from 'node:events'
import { createServer } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { linger } from '../../plugins/server/linger.ts'
import { eventually, sendRaw, startProxy } from '../helpers/proxy.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { startRawUpstream, startUpstream } from '../helpers/upstream.ts'

const get = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

async function answerTo (t: Parameters<typeof startProxy>[0], bytes: string, target: string, timeout = 5000): Promise<{ status: number, code: unknown, head: string, body: string }> {
  const { port, counter } = await startProxy(t, [{ target, timeout }])
  const text = await sendRaw(t, port, bytes).ended
  const [head = '', body = ''] = text.split('\r\n\r\n')
  await eventually(() => counter.inFlight === 0)
  return { status: Number(text.slice(9, 12)), code: body.startsWith('{') ? (JSON.parse(body) as { code: string }).code : undefined, head, body }
}

t.test('an upstream that cannot be reached is 502', async t => {
  const answer = await answerTo(t, get, `http://127.0.0.1:${await findClosedPort()}`)

  t.match(answer, { status: 502, code: 'PTC_ERR_UPSTREAM_UNREACHABLE', head: /content-type: application\/problem\+json/i })
  t.notMatch(answer.body, /ECONNREFUSED|127\.0\.0\.1/)
})

t.test('an upstream that cannot be reached while the client sends a body is 502', async t => {
  const answer = await answerTo(t, 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\nsome', `http://127.0.0.1:${await findClosedPort()}`)

  t.match(answer, { status: 502, code: 'PTC_ERR_UPSTREAM_UNREACHABLE' })
})

t.test('an upstream that says nothing is 504', async t => {
  const upstream = await startUpstream(t, () => {})

  t.match(await answerTo(t, get, upstream.url, 100), { status: 504, code: 'PTC_ERR_UPSTREAM_TIMEOUT' })
})

t.test('an upstream that takes a body and says nothing is 504', async t => {
  const upstream = await startUpstream(t, request => { request.resume() })

  t.match(await answerTo(t, 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\nsome', upstream.url, 100), { status: 504 })
})

t.test('waiting for a connection ends at the timeout too', async t => {
  // The response before goes on, or its own timeout would free the connection.
  const upstream = await startUpstream(t, (_request, response) => {
    const writing = setInterval(() => { response.write('stream') }, 20)
    response.on('close', () => { clearInterval(writing) })
  })
  const { port, counter } = await startProxy(t, [{ target: upstream.url, connections: 1, timeout: 200 }])
  const stream = sendRaw(t, port, get)
  await stream.until(/stream/)
  const waiting = sendRaw(t, port, get)
  const leaving = sendRaw(t, port, get)
  await eventually(() => counter.inFlight === 3)
  leaving.socket.destroy()

  t.match(await waiting.ended, /^HTTP\/1\.1 504 /)
})

t.test('no more connections than connections says, and the requests that wait get theirs in turn', async t => {
  let open = 0
  let most = 0
  const held: Array<() => void> = []
  const upstream = await startUpstream(t, (_request, response) => {
    most = Math.max(most, ++open)
    held.push(() => {
      open--
      response.end('ok')
    })
  })
  const { port } = await startProxy(t, [{ target: upstream.url, connections: 3 }])
  const clients = Array.from({ length: 20 }, (_, index) => sendRaw(t, port, `GET /${index} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`))
  for (let answered = 0; answered < 20; answered++) {
    await eventually(() => held.length > answered)
    held[answered]!()
  }

  for (const { ended } of clients) t.match(await ended, /^HTTP\/1\.1 200 /)
  t.equal(most, 3)
})

t.test('clients that go away while they wait make room, and the upstream is sent nothing of them', async t => {
  const held: Array<() => void> = []
  const upstream = await startUpstream(t, (_request, response) => { held.push(() => { response.end('ok') }) })
  const { port, counter } = await startProxy(t, [{ target: upstream.url, connections: 1 }])
  const first = sendRaw(t, port, get)
  await eventually(() => held.length === 1)
  const leaving = Array.from({ length: 50 }, () => sendRaw(t, port, get.replace('/', '/leaving')))
  await eventually(() => counter.inFlight === 51)
  for (const { socket } of leaving) socket.destroy()
  await eventually(() => counter.inFlight === 1)
  const last = sendRaw(t, port, get.replace('/', '/last'))
  await eventually(() => counter.inFlight === 2)
  held[0]!()
  await eventually(() => held.length === 2)
  held[1]!()

  for (const { ended } of [first, last]) t.match(await ended, /^HTTP\/1\.1 200 /)
  t.same(upstream.requests.map(({ url }) => url), ['/', '/last'])
})

t.test('clients that go away while their connection is being made leave no request behind that goes on waiting for one', async t => {
  let connections = 0
  const held: Socket[] = []
  const upstream = createTcpServer(socket => {
    connections++
    held.push(socket.on('error', () => {}))
  }).listen(0, '127.0.0.1')
  t.teardown(() => {
    for (const socket of held) socket.destroy()
    upstream.close()
  })
  await once(upstream, 'listening')
  const { port, counter } = await startProxy(t, [{ target: `https://127.0.0.1:${(upstream.address() as AddressInfo).port}`, timeout: 1000, connections: 1 }])

  for (let i = 0; i < 20; i++) {
    const client = sendRaw(t, port, get)
    await eventually(() => counter.inFlight === 1)
    client.socket.destroy()
    await eventually(() => counter.inFlight === 0)
  }
  const before = connections
  const answer = await sendRaw(t, port, get).ended

  t.match(answer, /^HTTP\/1\.1 50[24] /)
  t.ok(connections - before <= 3, 'the clients that are gone come first no more')
})

t.test('with every connection taken and 1024 requests waiting, one more is 503, and is let in later', async t => {
  const held: Array<() => void> = []
  const upstream = await startUpstream(t, (_request, response) => { held.push(() => { response.end('ok') }) })
  const { port, counter } = await startProxy(t, [{ target: upstream.url, connections: 1, timeout: 60_000 }])
  const clients = Array.from({ length: 1025 }, () => sendRaw(t, port, get))
  await eventually(() => counter.inFlight === 1025)

  const refused = await sendRaw(t, port, get).ended
  t.match(refused, /^HTTP\/1\.1 503 [^]*retry-after: \d[^]*"PTC_ERR_UPSTREAM_BUSY"/)
  clients.pop()!.socket.destroy()
  await eventually(() => counter.inFlight === 1024)
  clients.push(sendRaw(t, port, get))
  await eventually(() => counter.inFlight === 1025)
  for (let answered = 0; answered < clients.length; answered++) {
    await eventually(() => held.length > answered)
    held[answered]!()
  }
  for (const { ended } of clients) t.match(await ended, /^HTTP\/1\.1 200 /)
})

t.test('whatever way an exchange ends, its connection is free for the next one', async t => {
  const upstream = await startUpstream(t, (request, response) => {
    if (request.url === '/cut') request.socket.destroy()
    else if (request.url === '/half') response.writeHead(200, { 'content-length': 10 }).write('half', () => { request.socket.destroy() })
    else if (request.url === '/endless') response.write('endless')
    else if (request.url !== '/silent') response.end('ok')
  })
  const { port } = await startProxy(t, [{ target: upstream.url, connections: 1, timeout: 300 }])
  const ask = (path: string) => sendRaw(t, port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)
  for (const path of ['/cut', '/half', '/silent', '/endless', '/cut', '/half']) {
    await ask(path).ended
    t.match(await ask('/good').ended, /^HTTP\/1\.1 200 /, path)
    const gone = ask(path)
    await eventually(() => upstream.requests.at(-1)?.url === path)
    gone.socket.destroy()
    t.match(await ask('/good').ended, /^HTTP\/1\.1 200 /, `${path} and away`)
  }
})

t.test('what is no proper answer is 502', async t => {
  for (const [name, bytes] of Object.entries({
    garbage: 'not http\r\n\r\n',
    'an unasked upgrade': 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
    'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    'length and chunks': 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    'headers that are too large': `HTTP/1.1 200 OK\r\nX: ${'x'.repeat(70_000)}\r\n\r\n`,
    'a control character': 'HTTP/1.1 200 OK\r\nX: a\x01b\r\n\r\n'
  })) {
    const upstream = await startRawUpstream(t, socket => { socket.end(bytes, 'latin1') })
    t.match(await answerTo(t, get, upstream.url), { status: 502, code: 'PTC_ERR_UPSTREAM_RESPONSE_INVALID' }, name)
  }
})

t.test('a connection that ends before the answer is 502', async t => {
  for (const bytes of ['', 'HTTP/1.1 100 Continue\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Len']) {
    const upstream = await startRawUpstream(t, socket => { socket.end(bytes, 'latin1') })
    t.match(await answerTo(t, get, upstream.url), { status: 502, code: 'PTC_ERR_UPSTREAM_UNREACHABLE' }, bytes)
  }
})

t.test('an upstream that closes without an answer is 502, and is not asked twice', async t => {
  const upstream = await startRawUpstream(t, socket => { socket.end() })

  t.match(await answerTo(t, get, upstream.url), { status: 502, code: 'PTC_ERR_UPSTREAM_UNREACHABLE' })
  t.equal(upstream.connections.length, 1)
})

t.test('a kept connection that the upstream closes just then is tried again on another one, but never for POST', async t => {
  const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
  const upstream = await startRawUpstream(t, (socket, sent) => {
    if (sent.split('\r\n\r\n').length === 2) socket.write(ok)
    else socket.destroy()
  })
  const { port } = await startProxy(t, [{ target: upstream.url, connections: 1 }])
  const client = sendRaw(t, port, 'GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until(/ok$/)

  client.socket.write('GET /2 HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until(/ok[^]*ok$/)
  client.socket.write('POST /3 HTTP/1.1\r\nHost: a\r\n\r\n')

  t.match(await client.until(/ok[^]*ok[^]*HTTP\/1\.1 502 /), /PTC_ERR_UPSTREAM_UNREACHABLE/)
  t.equal(upstream.connections.filter(sent => sent.includes('/3')).length, 1)
})

/** An upstream that goes on while this process pauses. It closes connections that were unused for two seconds, as it says. */
const keptForTwoSeconds = `
const { createServer } = require('node:net')
const server = createServer(socket => {
  socket.on('error', () => {}).setTimeout(2000, () => { socket.end() })
  socket.on('data', () => { socket.write('HTTP/1.1 200 OK\\r\\nKeep-Alive: timeout=2\\r\\nContent-Length: 2\\r\\n\\r\\nok') })
})
server.listen(0, '127.0.0.1', () => { require('node:worker_threads').parentPort.postMessage(server.address().port) })
`

t.test('a connection that the upstream has closed during a pause of the process is not used for a request', async t => {
  const worker = new Worker(keptForTwoSeconds, { eval: true })
  t.teardown(async () => { await worker.terminate() })
  const [upstreamPort] = await once(worker, 'message') as [number]
  const { port } = await startProxy(t, [{ target: `http://127.0.0.1:${upstreamPort}` }])
  const client = sendRaw(t, port, 'GET /1 HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until(/ok$/)

  // The request reaches the socket before the upstream's close does.
  client.socket.write('POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2500)

  t.match(await client.until(/ok[^]*HTTP\/1\.1 \d{3} /), /ok[^]*HTTP\/1\.1 200 /)
})

/** Answers the first request of every connection, and deals with the next one as `next` says. */
async function startForgetful (t: Parameters<typeof startProxy>[0], next: (socket: Socket) => void): Promise<{ ask: (request: string) => Promise<string>, askedFor: (path: string) => number }> {
  const upstream = await startRawUpstream(t, (socket, sent) => {
    const requests = sent.split('\r\n\r\n').length - 1
    if (requests === 1 && !sent.includes('/dead')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    else next(socket)
  })
  const { port } = await startProxy(t, [{ target: upstream.url, connections: 1 }])
  const ask = async (request: string) => await sendRaw(t, port, `${request.includes(' HTTP/1.1') ? request : `${request} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`}`).ended
  return { ask, askedFor: path => upstream.connections.filter(sent => sent.includes(` ${path} `)).length }
}

const deaths: Array<[how: string, die: (socket: Socket) => void]> = [['ends', socket => { socket.end() }], ['resets', socket => { socket.resetAndDestroy() }]]

for (const [how, die] of deaths) {
  t.test(`a kept connection that an upstream ${how} unheard is replaced for idempotent methods without a body, and for nothing that could be done twice`, async t => {
    const { ask, askedFor } = await startForgetful(t, die)
    const withBody = (method: string, path: string) => `${method} ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx`

    for (const [method, request, times] of [
      ['GET', 'GET /get', 2], ['HEAD', 'HEAD /head', 2],
      ['PUT', 'PUT /put', 2], ['DELETE', 'DELETE /delete', 2], ['OPTIONS', 'OPTIONS /options', 2], ['PROPFIND', 'PROPFIND /dav', 2], ['REPORT', 'REPORT /report', 2],
      ['POST', 'POST /post', 1], ['PATCH', 'PATCH /patch', 1], ['MOVE', 'MOVE /move', 1], ['LOCK', 'LOCK /lock', 1], ['PUT with a body', withBody('PUT', '/whole'), 1], ['a body', withBody('GET', '/body'), 1]
    ] as const) {
      await ask('GET /first')
      t.match(await ask(request), times === 2 ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 502 /, method)
      t.equal(askedFor(request.split(' ')[1]!), times, method)
    }
  })

  t.test(`a new connection that an upstream ${how} is not tried again`, async t => {
    const { ask, askedFor } = await startForgetful(t, die)

    t.match(await ask('GET /dead'), /^HTTP\/1\.1 502 /)
    t.equal(askedFor('/dead'), 1)
  })

  t.test(`an answer that has begun is not asked for again when an upstream ${how}`, async t => {
    for (const begun of ['H', 'HTTP/1.1 200 OK\r\nContent-', 'HTTP/1.1 103 Early Hints\r\n\r\n', 'HTTP/1.1 100 Continue\r\n\r\n']) {
      const { ask, askedFor } = await startForgetful(t, socket => { socket.write(begun, () => { setTimeout(die, 20, socket) }) })
      await ask('GET /first')

      t.match(await ask('GET /second'), /^HTTP\/1\.1 502 /, begun)
      t.equal(askedFor('/second'), 1, begun)
    }
  })

  t.test(`a request is tried again once when an upstream ${how}`, async t => {
    const { ask, askedFor } = await startForgetful(t, die)
    await ask('GET /first')

    t.match(await ask('GET /dead'), /^HTTP\/1\.1 502 /)
    t.equal(askedFor('/dead'), 2)
  })
}

t.test('an upstream that dies in the middle of the body ends the connection without a clean end', async t => {
  for (const head of ['Content-Length: 100', 'Transfer-Encoding: chunked']) {
    const body = head.startsWith('T') ? '4\r\nsome\r\n' : 'some'
    const upstream = await startRawUpstream(t, socket => {
      socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n${body}`)
      setTimeout(() => { socket.resetAndDestroy() }, 20)
    })
    const answer = await answerTo(t, get, upstream.url)

    t.equal(answer.status, 200)
    t.match(answer.body, /some/)
    t.notMatch(answer.body, /\r\n0\r\n/)
  }
})

t.test('a client of HTTP/1.0 is reset when its response is incomplete, because a close would look like its end', async t => {
  for (const head of ['', 'Transfer-Encoding: chunked\r\n', 'Content-Length: 100\r\n']) {
    const upstream = await startRawUpstream(t, socket => {
      socket.write(`HTTP/1.1 200 OK\r\n${head}\r\n${head.startsWith('T') ? '4\r\nsome\r\n' : 'some'}`)
      setTimeout(() => { socket.resetAndDestroy() }, 20)
    })
    const { port } = await startProxy(t, [{ target: upstream.url }])
    const client = sendRaw(t, port, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n')
    const [error] = await once(client.socket, 'error') as [NodeJS.ErrnoException]
    t.equal(error.code, 'ECONNRESET', head)
  }
})

t.test('an upstream that falls silent in the middle of the body ends the connection', async t => {
  const upstream = await startUpstream(t, (_request, response) => { response.writeHead(200).write('some') })
  const answer = await answerTo(t, get, upstream.url, 1000)

  t.equal(answer.status, 200)
  t.notMatch(answer.body, /\r\n0\r\n/)
})

t.test('a client that stops in the middle of its body is 408', async t => {
  const upstream = await startUpstream(t, request => { request.on('error', () => {}).resume() })
  const answer = await answerTo(t, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nsome', upstream.url, 150)

  t.match(answer, { status: 408, code: 'PTC_ERR_REQUEST_TIMEOUT', head: /connection: close/i })
})

t.test('a client that sends slowly but steadily is not cut', async t => {
  const upstream = await startUpstream(t)
  const { port } = await startProxy(t, [{ target: upstream.url, timeout: 1000 }])
  const client = sendRaw(t, port, 'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 8\r\n\r\n')
  for (const letter of 'abcdefgh') {
    await new Promise(resolve => { setTimeout(resolve, 150) })
    client.socket.write(letter)
  }

  t.match(await client.ended, /^HTTP\/1\.1 200 /)
  t.equal(upstream.requests[0]!.body, 'abcdefgh')
})

t.test('a client that takes nothing of its answer is let go', async t => {
  let closed = false
  const upstream = await startUpstream(t, (_request, response) => {
    response.on('close', () => { closed = true })
    response.end(Buffer.alloc(64 << 20))
  })
  const { port, counter } = await startProxy(t, [{ target: upstream.url, clientTimeout: 200 }])
  const client = sendRaw(t, port, get)
  client.socket.pause()

  await eventually(() => closed && counter.inFlight === 0)
  client.socket.resume()

  t.ok((await client.ended).length < 64 << 20)
})

t.test('a client that goes on sending after its answer is let go after a while', async t => {
  const server = createServer((request, response) => {
    linger(request, response, 50)
    response.end('early')
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.close() })

  const answer = await sendRaw(t, (server.address() as AddressInfo).port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nsome').ended

  t.match(answer, /early/)
})

t.test('a chunked body that breaks off or goes wrong ends the request upstream', async t => {
  let aborted = 0
  const upstream = await startUpstream(t, request => { request.resume().on('error', () => { aborted++ }) })
  const { port, counter } = await startProxy(t, [{ target: upstream.url }])
  const client = sendRaw(t, port, 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n')
  await eventually(() => upstream.requests.length === 1 && upstream.requests[0]!.body === 'some')

  client.socket.write('nonsense\r\n')

  t.match(await client.ended, /^HTTP\/1\.1 400 [^]*PTC_ERR_REQUEST_INVALID/)
  await eventually(() => aborted === 1 && counter.inFlight === 0)
})

t.test('a failure is logged once with its cause and without what the request carried', async t => {
  const lines: string[] = []
  const { app, url } = await startProxy(t, [{ target: `http://127.0.0.1:${await findClosedPort()}` }], {
    logger: { level: 'warn', stream: { write: (line: string) => { lines.push(line) } } }
  })
  lines.length = 0

  await fetch(`${url}/?secret`, { headers: { cookie: 'secret', authorization: 'Bearer secret' } })
  await app.close()

  t.equal(lines.length, 1)
  t.match(JSON.parse(lines[0]!), { reqId: String, error: { code: 'PTC_ERR_UPSTREAM_UNREACHABLE', cause: { code: 'ECONNREFUSED' } } })
  t.notMatch(lines[0], /secret/)
})
