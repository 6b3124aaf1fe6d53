import { createRequire } from 'node:module'
import { join } from 'node:path'
import { writeFile } from 'node:fs/promises'
import type { EventEmitter } from 'node:events'
import t, { type Test } from 'tap'
import { findClosedPort } from '../helpers/closed-port.ts'
import { installPackages, makeFolder, startBehind, startServer, type Behind } from './behind.ts'

/*
 * A Socket.IO server behind the gateway: the client begins with long polling and upgrades to WebSocket, as it does by default. The
 * packages are installed into a temporary folder.
 */

t.setTimeout(120_000)

const folder = await makeFolder(t)
await installPackages(folder, ['socket.io', 'socket.io-client'])
await writeFile(join(folder, 'server.cjs'), `const { Server } = require('socket.io')
const { createServer } = require('node:http')
const [port, path] = process.argv.slice(2)
const server = createServer()
const io = new Server(server, { path, maxHttpBufferSize: 1e8 })
io.on('connection', socket => {
  socket.emit('hello', socket.handshake.headers['x-auth-subject'])
  socket.on('echo', (...args) => { const answer = args.pop(); answer(socket.conn.transport.name, ...args) })
  socket.on('broadcast', message => io.emit('news', message))
  socket.on('drop', () => socket.conn.close())
})
server.listen(port, '127.0.0.1')
`)

interface Engine extends EventEmitter { transport: { name: string } }
/** What the tests use of a socket of Socket.IO. */
interface ClientSocket {
  connected: boolean
  id: string
  io: EventEmitter & { engine: Engine }
  emit: (event: string, message?: unknown) => void
  emitWithAck: (event: string, message: unknown) => Promise<unknown>
  on: (event: string, listener: (...args: unknown[]) => void) => void
  once: (event: string, listener: (...args: unknown[]) => void) => void
  disconnect: () => void
}
const { io } = createRequire(join(folder, 'server.cjs'))('socket.io-client') as { io: (url: string, options: object) => ClientSocket }

async function startSockets (t: Test, path: string, upstream: { prefix: string, rewritePrefix?: string }): Promise<Behind> {
  const port = await findClosedPort()
  await startServer(t, port, [process.execPath, join(folder, 'server.cjs'), String(port), path])
  return await startBehind(t, { ...upstream, target: `http://127.0.0.1:${port}`, websocket: true })
}

/** Opens a socket as the signed-in user. */
function open (t: Test, { origin, cookie }: Behind, path: string, more: object = {}): ClientSocket {
  const socket = io(origin, { path, extraHeaders: { cookie }, reconnectionDelay: 100, reconnectionDelayMax: 200, forceNew: true, ...more })
  t.teardown(() => { socket.disconnect() })
  return socket
}

async function next (socket: ClientSocket, event: string): Promise<unknown[]> {
  return await new Promise(resolve => { socket.once(event, (...args) => { resolve(args) }) })
}

for (const [title, { path, clientPath, upstream }] of Object.entries({
  'at /': { path: '/socket.io/', clientPath: '/socket.io/', upstream: { prefix: '/' } },
  'under a prefix that the server knows': { path: '/live/socket.io/', clientPath: '/live/socket.io/', upstream: { prefix: '/live' } },
  'under a prefix that the server does not know': { path: '/socket.io/', clientPath: '/live/socket.io/', upstream: { prefix: '/live', rewritePrefix: '/' } }
})) {
  t.test(`Socket.IO upgrades from polling to WebSocket, sends both ways, and reconnects ${title}`, async t => {
    const behind = await startSockets(t, path, upstream)
    const socket = open(t, behind, clientPath)
    const hello = next(socket, 'hello')
    const transports: string[] = []
    const upgraded = new Promise<void>(resolve => {
      socket.io.once('open', () => {
        transports.push(socket.io.engine.transport.name)
        socket.io.engine.once('upgrade', ({ name }: { name: string }) => {
          transports.push(name)
          resolve()
        })
      })
    })
    t.same(await hello, ['ada'])
    await upgraded
    t.same(transports, ['polling', 'websocket'])

    t.match(await socket.emitWithAck('echo', 'größe'), 'websocket')
    const bytes = Buffer.alloc(3 * 1024 * 1024, 7)
    const other = open(t, behind, clientPath, { transports: ['polling'] })
    await next(other, 'connect')
    t.equal(await other.emitWithAck('echo', bytes), 'polling')
    const [first, second] = [next(socket, 'news'), next(other, 'news')]
    socket.emit('broadcast', bytes)
    for (const [news] of await Promise.all([first, second])) t.ok(bytes.equals(news as Buffer), 'binary messages arrive byte for byte')

    const again = next(socket, 'connect')
    socket.emit('drop')
    await again
    t.match(await socket.emitWithAck('echo', 'after reconnecting'), /polling|websocket/)
    t.equal(behind.gateway.output.stderr, '')
  })
}

t.test('the end of the session closes the socket, and it cannot connect again', async t => {
  const behind = await startSockets(t, '/socket.io/', { prefix: '/' })
  const sockets = [open(t, behind, '/socket.io/', { transports: ['websocket'] }), open(t, behind, '/socket.io/', { transports: ['polling'] })]
  await Promise.all(sockets.map(async socket => await next(socket, 'connect')))

  const gone = Promise.all(sockets.map(async socket => (await next(socket, 'disconnect'))[0]))
  const refused = Promise.all(sockets.map(async socket => (await next(socket, 'connect_error'))[0] as Error))
  t.equal((await fetch(`${behind.origin}/auth/logout`, { method: 'POST', headers: { cookie: behind.cookie } })).status, 204)
  t.match(await gone, ['transport close', /transport (close|error)/])
  for (const error of await refused) t.ok(error instanceof Error)
  t.notOk(sockets.some(({ connected }) => connected))
})

t.test('without websocket: true, Socket.IO stays with polling', async t => {
  const port = await findClosedPort()
  await startServer(t, port, [process.execPath, join(folder, 'server.cjs'), String(port), '/socket.io/'])
  const behind = await startBehind(t, { prefix: '/', target: `http://127.0.0.1:${port}` })
  const socket = open(t, behind, '/socket.io/')
  await next(socket, 'connect')
  t.equal(await socket.emitWithAck('echo', 'one'), 'polling')
  await new Promise(resolve => setTimeout(resolve, 1000))
  t.equal(await socket.emitWithAck('echo', 'two'), 'polling')
})
