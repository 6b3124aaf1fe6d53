import Fastify, { type FastifyInstance } from 'fastify'
import { once } from 'node:events'
import { createServer, type RequestListener, type Server as HttpServer } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import { createClientErrorHandler } from '../../../plugins/server/client-errors.ts'
import { Pipeline } from '../../../plugins/server/pipeline.ts'
import { serverOptions, type ServerOptions } from '../../../plugins/server-options.ts'
import { until } from '../../helpers/build-app.ts'
import { makeCertificate, type Certificate } from '../../helpers/certificate.ts'

interface Server {
  app: FastifyInstance
  port: number
  /** The paths that were handed on, in order. */
  begun: string[]
  /** Lets each request to `/wait` that has begun go on. */
  release: Array<() => void>
  /** The server's side of each connection. */
  sockets: Socket[]
}

/** A server on which `/wait` waits until the test lets it go, and everything else answers its own path and the length of its body. */
async function start (t: Test, tls: Certificate | undefined, options: ServerOptions = {}): Promise<Server> {
  const app = Fastify(serverOptions({ ...options, ...tls === undefined ? {} : { tls } }))
  const server: Server = { app, port: 0, begun: [], release: [], sockets: [] }
  app.addHook('onRequest', async request => { server.begun.push(request.url) })
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => { done(null, body) })
  app.get('/wait', async () => {
    await new Promise<void>(resolve => { server.release.push(resolve) })
    return 'waited;'
  })
  app.get('/long', (_request, reply) => {
    reply.hijack()
    reply.raw.writeHead(200, { 'content-length': 40 * 65_536 })
    let written = 0
    const write = (): void => { reply.raw.write(Buffer.alloc(65_536, '.'), () => { if (++written < 40) write() }) }
    write()
  })
  app.all('/*', async request => `${request.url}:${(request.body as Buffer | undefined)?.length ?? 0};`)
  app.server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => { server.sockets.push(socket) })
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(() => {
    app.server.closeAllConnections()
    return app.close()
  })
  server.port = (app.server.address() as AddressInfo).port
  return server
}

interface Client { socket: Socket, received: () => string, answers: () => string[], ended: Promise<unknown> }

async function open (t: Test, port: number, tls: Certificate | undefined, bytes: string): Promise<Client> {
  let received = ''
  const socket = tls === undefined ? connect(port, '127.0.0.1') : connectTls({ port, host: '127.0.0.1', ca: tls.cert })
  t.teardown(() => { socket.destroy() })
  socket.setEncoding('latin1').on('data', chunk => { received += String(chunk) }).on('error', () => {})
  const ended = once(socket, 'close')
  await once(socket, tls === undefined ? 'connect' : 'secureConnect')
  socket.write(bytes, 'latin1')
  return { socket, received: () => received, answers: () => received.match(/(?<=\r\n\r\n)[^\r]*?;/g) ?? [], ended }
}

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
const post = (path: string, length: number, more = '') => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\n${more}Content-Length: ${length}\r\n\r\n${'x'.repeat(length)}`
const numbers = (count: number) => Array.from({ length: count }, (_, index) => index)

for (const [name, tls] of [['', undefined], [' with TLS', makeCertificate()]] as const) {
  t.test(`6000 requests at once on one connection${name} are under way one at a time, and answered in their order`, async t => {
    const { port, begun, release, sockets } = await start(t, tls)
    const bytes = get('/wait') + numbers(6000).map(index => get(`/${index}`)).join('')
    const client = await open(t, port, tls, bytes)
    await until(() => release.length === 1)

    // Another client is served meanwhile, and the connection not read on.
    const other = await open(t, port, tls, get('/other'))
    await until(() => other.answers().length === 1)
    t.same(begun, ['/wait', '/other'])
    t.ok(sockets[0]!.bytesRead < bytes.length, `${sockets[0]!.bytesRead} of ${bytes.length}`)

    release[0]!()
    await until(() => client.answers().length === 6001)
    t.strictSame(client.answers(), ['waited;', ...numbers(6000).map(index => `/${index}:0;`)])
    client.socket.write(get('/later'))
    await until(() => client.answers().at(-1) === '/later:0;')
  })

  t.test(`each turn of the event loop takes one request of a connection${name}`, async t => {
    const { port, begun } = await start(t, tls)
    const turns: number[] = []
    const client = await open(t, port, tls, numbers(500).map(index => get(`/${index}`)).join(''))
    let seen = 0
    const watch = (): void => {
      if (begun.length > seen) turns.push(begun.length - seen)
      seen = begun.length
      watching = setImmediate(watch)
    }
    let watching = setImmediate(watch)
    t.teardown(() => { clearImmediate(watching) })
    await until(() => client.answers().length === 500)

    t.ok(turns.length >= 100, `500 requests began in ${turns.length} turns`)
    t.ok(Math.max(...turns.slice(1)) <= 2, String(Math.max(...turns.slice(1))))
  })

  t.test(`a connection${name} on which requests wait is not read, however often the answer before them drains`, async t => {
    const { port, begun, sockets } = await start(t, tls)
    const client = await open(t, port, tls, get('/long') + numbers(100).map(index => get(`/${index}`)).join(''))
    await until(() => client.received().length > 200_000)
    const readBefore = sockets[0]!.bytesRead
    client.socket.write(get('/late').repeat(20_000))
    await until(() => client.received().length > 40 * 65_536)

    t.equal(begun.length, 1)
    t.ok(sockets[0]!.bytesRead - readBefore < 200_000, String(sockets[0]!.bytesRead - readBefore))
  })

  t.test(`requests with bodies on one connection${name} get each its own`, async t => {
    const { port, begun, release } = await start(t, tls)
    const lengths = [1, 300_000, 0, 70_000, 5, 900_000, 65_536, 2]
    const client = await open(t, port, tls, get('/wait') + lengths.map((length, index) => post(`/${index}`, length)).join('') + get('/end'))
    await until(() => release.length === 1)
    t.same(begun, ['/wait'])
    release[0]!()
    await until(() => client.answers().length === lengths.length + 2)

    t.same(client.answers(), ['waited;', ...lengths.map((length, index) => `/${index}:${length};`), '/end:0;'])
  })

  t.test(`a body behind other requests${name} is asked for when it is read, not before`, async t => {
    const { port, release } = await start(t, tls)
    const client = await open(t, port, tls, get('/wait') + post('/body', 3, 'Expect: 100-continue\r\n').slice(0, -3))
    await until(() => release.length === 1)
    t.equal(client.received(), '')
    release[0]!()
    await until(() => client.received().includes('100 Continue'))
    client.socket.write('abc')
    await until(() => client.answers().length === 2)

    t.same(client.answers(), ['waited;', '/body:3;'])
    t.match(client.received(), /^HTTP\/1\.1 200 [^]*waited;HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 /)
  })

  t.test(`a head${name} whose rest cannot be read, because requests before it wait, has its time afterwards`, async t => {
    const { app, port, release } = await start(t, tls, { headersTimeoutMs: 400 })
    let late = 0
    app.server.prependListener('clientError', (error: Error & { code?: string }) => { if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT') late++ })
    const [whole, half] = await Promise.all([`${get('/a')}${get('/b')}GET /c HTTP/1.1\r\nHo`, `${get('/a')}${get('/b')}GET /c HTT`].map(async bytes => await open(t, port, tls, get('/wait') + bytes)))
    await until(() => late === 2)
    t.equal(whole!.received() + half!.received(), '')
    for (const go of release) go()
    whole!.socket.write('st: a\r\n\r\n')
    await Promise.all([until(() => whole!.answers().length === 4), half!.ended])

    t.same(whole!.answers(), ['waited;', '/a:0;', '/b:0;', '/c:0;'])
    t.match(half!.received(), /\/b:0;HTTP\/1\.1 408 [^]*PTC_ERR_REQUEST_TIMEOUT/)
    whole!.socket.write(get('/d'))
    await until(() => whole!.answers().at(-1) === '/d:0;')
  })

  t.test(`what is no HTTP behind requests that wait${name} is no answer to them, and the connection ends with theirs`, async t => {
    const { port, release, begun } = await start(t, tls)
    const client = await open(t, port, tls, `${get('/wait')}${get('/a')}${get('/b')}\x00\x01\x02\r\n\r\n${get('/never')}`)
    await until(() => release.length === 1)
    release[0]!()
    await client.ended

    t.same(client.answers(), ['waited;', '/a:0;', '/b:0;'])
    t.match(client.received(), /connection: close[^]*\/b:0;$/i)
    t.same(begun, ['/wait', '/a', '/b'])
  })

  t.test(`a request that says close${name} is the last one, with those before it answered`, async t => {
    const { port, release, begun } = await start(t, tls)
    const client = await open(t, port, tls, `${get('/wait')}${get('/a')}GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n${get('/never').repeat(9000)}`)
    await until(() => release.length === 1)
    release[0]!()
    await client.ended

    t.same(client.answers(), ['waited;', '/a:0;', '/b:0;'])
    t.same(begun, ['/wait', '/a', '/b'])
  })

  t.test(`a client that goes away${name} takes along what waited`, async t => {
    const { app, port, release, begun, sockets } = await start(t, tls)
    const client = await open(t, port, tls, get('/wait') + get('/a').repeat(50))
    await until(() => release.length === 1)
    // Its end cannot be read yet: it is seen when the next answer is written, or here when the server is told.
    client.socket.destroy()
    sockets[0]!.destroy()
    await until(() => sockets[0]!.closed)
    release[0]!()
    const other = await open(t, port, tls, get('/b'))
    await until(() => other.answers().length === 1)

    t.same(begun, ['/wait', '/b'])
    t.equal(app.server.listening, true)
  })
}

/** A server with this bound, on which every request waits until the test answers it. */
async function startBounded (t: Test, waiting: number): Promise<{ server: HttpServer, port: number, begun: Array<() => void> }> {
  const begun: Array<() => void> = []
  const listener: RequestListener = (request, response) => { begun.push(() => { response.end(`${request.url};`) }) }
  const server = createServer(new Pipeline({ headersTimeoutMs: 10_000, waiting }).inTurn(listener))
  server.on('clientError', createClientErrorHandler({}))
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => new Promise(resolve => {
    server.close(resolve)
    server.closeAllConnections()
  }))
  return { server, port: (server.address() as AddressInfo).port, begun }
}

t.test('where too many requests wait, a connection ends with the answers to those that were taken', async t => {
  const { port, begun } = await startBounded(t, 10)
  const first = await open(t, port, undefined, numbers(8).map(index => get(`/first${index}`)).join(''))
  await until(() => begun.length === 1)
  const second = await open(t, port, undefined, numbers(2000).map(index => get(`/second${index}`)).join(''))
  const third = await open(t, port, undefined, numbers(2000).map(index => get(`/third${index}`)).join(''))
  await until(() => begun.length === 3)
  const single = await open(t, port, undefined, get('/single'))
  await until(() => begun.length === 4)

  let answered = 0
  const answer = async (): Promise<void> => {
    while (answered < begun.length) begun[answered++]!()
    await new Promise(resolve => { setImmediate(resolve) })
  }
  await until(async () => {
    await answer()
    return first.answers().length === 8 && second.socket.closed && third.socket.closed && single.answers().length === 1
  })

  t.same(second.answers(), ['/second0;', '/second1;', '/second2;', '/second3;'])
  t.same(third.answers(), ['/third0;'])
  for (const { received } of [second, third]) t.match(received(), /connection: close[^;]*;$/i)
  t.match(first.received(), /keep-alive[^;]*;$/i)

  // The places are free again.
  const later = await open(t, port, undefined, numbers(11).map(index => get(`/later${index}`)).join(''))
  await until(async () => {
    await answer()
    return later.answers().length === 11
  })
  t.match(later.received(), /keep-alive[^;]*;$/i)
})

t.test('clients that go away while their requests wait leave their places to others', async t => {
  const { server, port, begun } = await startBounded(t, 10)
  let answered = 0
  const answer = async (): Promise<void> => {
    while (answered < begun.length) begun[answered++]!()
    await new Promise(resolve => { setImmediate(resolve) })
  }
  for (let round = 0; round < 5; round++) {
    const gone = await open(t, port, undefined, numbers(11).map(index => get(`/${index}`)).join(''))
    await until(() => begun.length > answered)
    gone.socket.destroy()
    // The connection is not read while requests wait; a write finds that it is gone.
    await until(async () => {
      await answer()
      return await new Promise<boolean>(resolve => { server.getConnections((_error, count) => { resolve(count === 0) }) })
    })
  }
  const last = await open(t, port, undefined, numbers(11).map(index => get(`/${index}`)).join(''))
  await until(async () => {
    await answer()
    return last.answers().length === 11
  })

  t.match(last.received(), /keep-alive[^;]*;$/i)
})
