import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import { serverOptions, type ServerOptions } from '../../../plugins/server-options.ts'
import { makeCertificate, type Certificate } from '../../helpers/certificate.ts'
import { eventually, startProxy } from '../../helpers/proxy.ts'
import { openSocket, startSocketGateway, startSocketUpstream } from '../../helpers/sockets.ts'
import { startUpstream } from '../../helpers/upstream.ts'

/** More than the system buffers for a connection. */
const largeBytes = 32 << 20

const transports: Array<[name: string, tls: Certificate | undefined]> = [['', undefined], [' with TLS', makeCertificate()]]

/** The server's ends of its connections, with TLS the ones below it. */
function connectionsOf ({ server }: FastifyInstance): Socket[] {
  const sockets: Socket[] = []
  server.on('connection', socket => { sockets.push(socket) })
  return sockets
}

async function startServer (t: Test, options: ServerOptions, answer: () => unknown) {
  const app = Fastify(serverOptions(options))
  t.teardown(async () => {
    app.server.closeAllConnections()
    await app.close()
  })
  app.get('/', async () => answer())
  const connections = connectionsOf(app)
  await app.listen({ host: '127.0.0.1', port: 0 })
  return { port: (app.server.address() as AddressInfo).port, connections }
}

/** A client that has sent a request and reads nothing. */
async function askAndReadNothing (t: Test, port: number, tls: Certificate | undefined): Promise<Socket> {
  const socket = tls === undefined ? connect(port, '127.0.0.1') : connectTls({ port, host: '127.0.0.1', ca: tls.cert })
  t.teardown(() => { socket.destroy() })
  socket.on('error', () => {})
  socket.pause()
  await once(socket, tls === undefined ? 'connect' : 'secureConnect')
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  return socket
}

/** Reads 2 MiB at a time, with a pause in between, up to so many bytes. */
async function readSlowly (socket: Socket, bytes: number): Promise<number> {
  const count = { read: 0, due: 0 }
  socket.on('data', (chunk: Buffer) => {
    count.read += chunk.length
    if (count.read >= count.due) socket.pause()
  })
  while (count.read < bytes && !socket.destroyed) {
    count.due = count.read + (2 << 20)
    socket.resume()
    await wait(25)
  }
  return count.read
}

for (const [name, tls] of transports) {
  t.test(`a client${name} that reads nothing of an answer is reset, whatever its answer is made of`, async t => {
    for (const answer of [() => Buffer.alloc(largeBytes), () => 'a'.repeat(largeBytes), () => new Response(new ReadableStream({ pull (controller) { controller.enqueue(new Uint8Array(65_536)) } }))]) {
      const { port, connections } = await startServer(t, { clientTimeoutMs: 150, ...tls === undefined ? {} : { tls } }, answer)
      await askAndReadNothing(t, port, tls)
      await eventually(() => connections.length === 1)
      await eventually(() => connections[0]!.destroyed)
    }
  })

  t.test(`a client${name} that reads nothing is reset also when the rest of an upstream's answer fits into the connection's buffer`, async t => {
    const answers: ServerResponse[] = []
    const upstream = await startUpstream(t, (_request, response) => { answers.push(response) })
    const { app, port, counter } = await startProxy(t, [{ target: upstream.url, clientTimeout: '1h', timeout: '1h' }], { clientTimeoutMs: 1000, ...tls === undefined ? {} : { tls } })
    const responses: ServerResponse[] = []
    app.server.on('request', (_request: IncomingMessage, response: ServerResponse) => { responses.push(response) })
    await askAndReadNothing(t, port, tls)
    await eventually(() => answers.length === 1)
    const [answer, response] = [answers[0]!, responses[0]!]
    while (response.writableLength === 0) {
      answer.write(Buffer.alloc(8192))
      await new Promise(resolve => { setImmediate(resolve) })
    }
    answer.end()
    await eventually(() => response.writableEnded)
    t.notOk(response.writableNeedDrain, 'nothing waits for a drain')

    await eventually(() => response.destroyed && counter.inFlight === 0)
    t.notOk(response.writableFinished)
  })

  t.test(`a client${name} that reads slowly and steadily gets all of an answer, however long it takes`, async t => {
    const upstream = await startUpstream(t, (_request, response) => { response.end(Buffer.alloc(largeBytes)) })
    const own = await startServer(t, { clientTimeoutMs: 250, ...tls === undefined ? {} : { tls } }, () => Buffer.alloc(largeBytes))
    const proxied = await startProxy(t, [{ target: upstream.url, clientTimeout: 250 }], { clientTimeoutMs: 250, ...tls === undefined ? {} : { tls } })
    for (const { port } of [own, proxied]) t.ok(await readSlowly(await askAndReadNothing(t, port, tls), largeBytes) >= largeBytes)
  })
}

t.test('a client that reads nothing of a WebSocket is reset also when what waits fits into the connection\'s buffer', async t => {
  const upstream = await startSocketUpstream(t, { onSocket: () => {} })
  const { app, ws } = await startSocketGateway(t, upstream.url, { limits: { clientTimeout: '1s' } })
  const connections = connectionsOf(app)
  const client = await openSocket(t, `${ws}/open`)
  client.pause()
  const [connection] = connections
  while (connection!.writableLength === 0) {
    upstream.sockets[0]!.send(Buffer.alloc(8192), { compress: false })
    await new Promise(resolve => { setImmediate(resolve) })
  }
  t.notOk(connection!.writableNeedDrain, 'nothing waits for a drain')

  await eventually(() => connection!.destroyed && upstream.sockets[0]!.readyState === upstream.sockets[0]!.CLOSED)
})

t.test('a connection on which nothing waits to be taken is kept, however long its request takes', async t => {
  let answer: ((text: string) => void) | undefined
  const { port, connections } = await startServer(t, { clientTimeoutMs: 60 }, () => new Promise(resolve => { answer = resolve }))
  const socket = await askAndReadNothing(t, port, undefined)
  await eventually(() => answer !== undefined)
  await wait(300)
  t.equal(connections[0]!.destroyed, false)
  let received = ''
  socket.on('data', chunk => { received += String(chunk) })
  socket.resume()
  answer!('at last')
  await eventually(() => received.endsWith('at last'))
})

t.test('a connection whose answer the system has taken as a whole ends when it was idle for as long as others, although its client reads nothing', async t => {
  const { port, connections } = await startServer(t, { keepAliveMs: 100 }, () => Buffer.alloc(1 << 19))
  await askAndReadNothing(t, port, undefined)
  await eventually(() => connections.length === 1)
  await eventually(() => connections[0]!.destroyed)
})
