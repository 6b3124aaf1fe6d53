import { createHash, randomBytes } from 'node:crypto'
import { get, request as send, type IncomingMessage, type ServerResponse } from 'node:http'
import { channel } from 'node:diagnostics_channel'
import { setTimeout as delay } from 'node:timers/promises'
import Fastify from 'fastify'
import t from 'tap'
import errors from '../../plugins/errors.ts'
import proxy from '../../plugins/proxy.ts'
import { serverOptions } from '../../plugins/server-options.ts'
import { eventually, sendRaw, startProxy } from '../helpers/proxy.ts'
import { startUpstream } from '../helpers/upstream.ts'

const megabyte = randomBytes(1 << 20)
const megabytes = 50

function respond (url: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => { get(url, { agent: false }, resolve).on('error', reject) })
}

function digestOfAll (): string {
  const hash = createHash('sha256')
  for (let i = 0; i < megabytes; i++) hash.update(megabyte)
  return hash.digest('hex')
}

function writeAll (stream: NodeJS.WritableStream): void {
  let written = 0
  const more = () => {
    while (written < megabytes) {
      written++
      if (!stream.write(megabyte)) {
        stream.once('drain', more)
        return
      }
    }
    stream.end()
  }
  more()
}

async function digest (stream: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of stream) hash.update(chunk)
  return hash.digest('hex')
}

t.test('server-sent events arrive as they are sent', async t => {
  let stream: ServerResponse | undefined
  const upstream = await startUpstream(t, (_request, response) => {
    stream = response
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.flushHeaders()
  })
  const { url } = await startProxy(t, [{ target: upstream.url }])

  const response = await respond(url)
  t.equal(response.headers['content-type'], 'text/event-stream')
  const events = response[Symbol.asyncIterator]()
  for (const event of ['one', 'two', 'three']) {
    stream!.write(`data: ${event}\n\n`)
    t.equal(String((await events.next()).value), `data: ${event}\n\n`)
  }
  stream!.end()

  t.equal((await events.next()).done, true)
})

t.test('bodies of every length arrive byte for byte', async t => {
  const bodies = [1, 256, 8191, 8192, 8193, 70_000].map(length => Buffer.from(Array.from({ length }, (_, i) => i & 0xff)))
  const upstream = await startUpstream(t, (request, response) => {
    const [, index, framing] = request.url!.split('/')
    const body = bodies[Number(index)]!
    if (framing === 'length') response.writeHead(200, { 'content-length': body.length })
    else response.flushHeaders()
    response.end(body)
  })
  const { url } = await startProxy(t, [{ target: upstream.url }])

  for (const [index, body] of bodies.entries()) {
    for (const framing of ['length', 'chunked']) {
      const response = await respond(`${url}/${index}/${framing}`)
      t.equal(response.headers['content-length'], framing === 'length' ? String(body.length) : undefined)
      const arrived: Buffer[] = []
      for await (const chunk of response) arrived.push(chunk as Buffer)
      t.ok(Buffer.concat(arrived).equals(body), `${body.length} bytes, ${framing}`)
    }
  }
})

t.test('headers do not wait for a body whose length is known', async t => {
  const upstream = await startUpstream(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '5' })
    response.flushHeaders()
    response.on('close', () => {})
  })
  const { url } = await startProxy(t, [{ target: upstream.url }])

  const response = await respond(url)
  t.equal(response.headers['content-length'], '5')
  response.destroy()
})

t.test('a large download is the same to the byte, in bounded memory', async t => {
  const upstream = await startUpstream(t, (_request, response) => { writeAll(response) })
  const { url } = await startProxy(t, [{ target: upstream.url }])
  const before = process.memoryUsage.rss()

  t.equal(await digest(await respond(url)), digestOfAll())
  t.ok(process.memoryUsage.rss() - before < 150 << 20)
})

t.test('a large upload is the same to the byte, with and without a length', async t => {
  const upstream = await startUpstream(t, (request, response) => { void digest(request).then(hex => response.end(hex)) })
  const { url } = await startProxy(t, [{ target: upstream.url }])

  for (const framing of [{ 'content-length': String(megabytes << 20) }, { 'transfer-encoding': 'chunked' }]) {
    const answer = await new Promise<string>((resolve, reject) => {
      const request = send(url, { method: 'POST', agent: false, headers: { 'content-type': 'application/octet-stream', ...framing } }, response => {
        let body = ''
        response.on('data', chunk => { body += String(chunk) }).on('end', () => { resolve(body) })
      })
      request.on('error', reject)
      writeAll(request)
    })
    t.equal(answer, digestOfAll())
  }
})

t.test('a client that reads slowly holds the upstream back', async t => {
  let written = 0
  const upstream = await startUpstream(t, (_request, response) => {
    const more = () => {
      while (written < 200 && !response.writableNeedDrain) {
        response.write(megabyte)
        written++
      }
      if (written < 200) response.once('drain', more)
    }
    more()
  })
  const { url } = await startProxy(t, [{ target: upstream.url }])

  const response = await respond(url)
  response.pause()
  let last = -1
  while (last !== written) {
    last = written
    await delay(150)
  }
  response.destroy()

  t.ok(written < 40, `${written} MB were taken from the upstream`)
})

t.test('an upstream that reads slowly holds the client back', async t => {
  const upstream = await startUpstream(t, request => { request.pause() })
  const { url } = await startProxy(t, [{ target: upstream.url }])

  const request = send(url, { method: 'POST', agent: false, headers: { 'content-type': 'application/octet-stream' } })
  request.on('error', () => {})
  let written = 0
  const more = () => {
    while (written < 200 && !request.writableNeedDrain) {
      request.write(megabyte)
      written++
    }
    if (written < 200) request.once('drain', more)
  }
  more()
  let last = -1
  while (last !== written) {
    last = written
    await delay(150)
  }
  request.destroy()

  t.ok(written < 40, `${written} MB were taken from the client`)
})

t.test('a client that goes away ends the request upstream, before the answer, in the middle of it and in the middle of a body', async t => {
  const closed: string[] = []
  const upstream = await startUpstream(t, (request, response) => {
    const name = request.url!
    response.on('close', () => { closed.push(name) })
    if (name === '/answering') response.write('some')
    request.resume().on('error', () => {})
  })
  const { port, counter } = await startProxy(t, [{ target: upstream.url }])

  const waiting = sendRaw(t, port, 'GET /waiting HTTP/1.1\r\nHost: a\r\n\r\n')
  await eventually(() => upstream.requests.length === 1)
  waiting.socket.destroy()
  const answering = sendRaw(t, port, 'GET /answering HTTP/1.1\r\nHost: a\r\n\r\n')
  await answering.until(/some/)
  answering.socket.resetAndDestroy()
  const sending = sendRaw(t, port, 'POST /sending HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nsome')
  await eventually(() => upstream.requests.length === 3)
  sending.socket.destroy()
  await eventually(() => closed.length === 3)

  t.same(closed.sort(), ['/answering', '/sending', '/waiting'])
  await eventually(() => counter.inFlight === 0)
})

t.test('an application hears of a client that goes away, and the connection of one that stays goes on', async t => {
  const upstream = await startUpstream(t, (request, response) => { if (request.url !== '/never') response.end(request.url) })
  const aborted: string[] = []
  const app = Fastify(serverOptions())
  t.teardown(async () => { await app.close() })
  app.addHook('onRequestAbort', async request => { aborted.push(request.url) })
  await app.register(errors)
  await app.register(proxy, { prefix: '/', target: upstream.url, origin: 'https://app.example.com' })
  const url = await app.listen({ port: 0, host: '127.0.0.1' })

  const staying = sendRaw(t, Number(new URL(url).port), 'GET /one HTTP/1.1\r\nHost: a\r\n\r\nGET /two HTTP/1.1\r\nHost: a\r\n\r\n')
  await staying.until(/\/one[^]*\/two/)
  const leaving = get(`${url}/never`, { agent: false }).on('error', () => {})
  await eventually(() => upstream.requests.length === 3)
  leaving.destroy()
  await eventually(() => aborted.length > 0)
  staying.socket.write('GET /three HTTP/1.1\r\nHost: a\r\n\r\n')
  await staying.until(/\/three/)

  t.same(aborted, ['/never'])
  staying.socket.destroy()
})

t.test('a client that goes away before its identity is known is never forwarded', async t => {
  const upstream = await startUpstream(t)
  let identified = () => {}
  const identity = new Promise<string[]>(resolve => { identified = () => { resolve([]) } })
  const { port, counter } = await startProxy(t, [{ target: upstream.url, identityHeaders: () => identity }])

  const client = sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await eventually(() => counter.inFlight === 1)
  client.socket.destroy()
  await eventually(() => counter.inFlight === 0)
  identified()
  await delay(20)

  t.equal(upstream.requests.length, 0)
})

t.test('an answer that comes before the end of the body reaches the client, and the connection stays in step', async t => {
  const upstream = await startUpstream(t, (request, response) => {
    if (request.method === 'POST') response.writeHead(413, { 'content-length': '3' }).end('big')
    else response.end('next')
  })
  const { port } = await startProxy(t, [{ target: upstream.url }])

  const client = sendRaw(t, port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nsome')
  await client.until(/ 413 [^]*big/)
  client.socket.write(`${'x'.repeat(1_000_000 - 4)}GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)

  t.match(await client.ended, /big(?:0\r\n\r\n)?HTTP\/1\.1 200 OK[^]*next/)
  t.same(upstream.requests.map(request => request.url), ['/', '/next'])
})

t.test('many requests at once each get their own answer', async t => {
  const upstream = await startUpstream(t, (request, response) => {
    setTimeout(() => { response.end(request.url) }, Math.random() * 20)
  })
  const { url } = await startProxy(t, [{ target: upstream.url }])

  const answers = await Promise.all(Array.from({ length: 300 }, async (_, i) => {
    const response = await respond(`${url}/${i}`)
    return String((await response.toArray()).join(''))
  }))

  t.same(answers, Array.from({ length: 300 }, (_, i) => `/${i}`))
})

t.test('whoever listens is told of every request that has ended', async t => {
  const messages: unknown[] = []
  const listen = (message: unknown) => { messages.push(message) }
  channel('portcullis:upstream').subscribe(listen)
  t.teardown(() => { channel('portcullis:upstream').unsubscribe(listen) })
  const upstream = await startUpstream(t, (request, response) => { if (request.url === '/x') response.writeHead(201).end() })
  const { url, port } = await startProxy(t, [{ prefix: '/', target: upstream.url }])

  await (await respond(`${url}/x`)).toArray()
  await eventually(() => messages.length === 1)
  const client = sendRaw(t, port, 'GET /hangs HTTP/1.1\r\nHost: a\r\n\r\n')
  await eventually(() => upstream.requests.length === 2)
  client.socket.destroy()
  await eventually(() => messages.length === 2)

  t.match(messages, [{ upstream: '/', method: 'GET', status: 201, durationMs: Number }, { status: 499 }])
})

t.test('closing the server does not wait for streams', async t => {
  const upstream = await startUpstream(t, (_request, response) => { response.write('some') })
  const { app, port } = await startProxy(t, [{ target: upstream.url }])
  const client = sendRaw(t, port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until(/some/)

  app.server.closeAllConnections()
  await app.close()

  t.notMatch(await client.ended, /\r\n0\r\n\r\n$/)
})
