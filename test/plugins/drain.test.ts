import Fastify from 'fastify'
import fp from 'fastify-plugin'
import { once } from 'node:events'
import { connect, type AddressInfo, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t, { type Test } from 'tap'
import drain, { type DrainOptions } from '../../plugins/drain.ts'
import blocklist from '../../plugins/blocklist.ts'
import health from '../../plugins/health.ts'
import healthRoutes from '../../routes/health.ts'
import { serverOptions } from '../../plugins/server-options.ts'
import storePlugin from '../../plugins/store.ts'
import { createServer, createStore, until } from '../helpers/build-app.ts'
import { makeCertificate, type Certificate } from '../helpers/certificate.ts'
import { settlesWithin } from '../helpers/patience.ts'

/** A server on which `/slow` waits until the test lets it go. */
async function start (t: Test, options: DrainOptions = {}, tls?: Certificate) {
  const { store } = await createStore(t)
  const app = Fastify(serverOptions({ keepAliveMs: 60_000, ...tls === undefined ? {} : { tls } }))
  t.teardown(() => app.close())
  await app.register(storePlugin, { type: 'custom', store })
  await app.register(blocklist)
  await app.register(health)
  await app.register(drain, options)
  await app.register(healthRoutes)
  const waiting: Array<() => void> = []
  app.get('/', async () => 'ok')
  app.get('/slow', async () => {
    await new Promise<void>(resolve => { waiting.push(resolve) })
    return 'done'
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  return { app, port, waiting }
}

/** A keep-alive connection that has sent one request. */
async function open (t: Test, port: number, path: string, tls?: Certificate): Promise<{ socket: Socket, received: () => string, ended: Promise<unknown> }> {
  let received = ''
  const socket = tls === undefined ? connect(port, '127.0.0.1') : connectTls({ port, host: '127.0.0.1', ca: tls.cert })
  t.teardown(() => { socket.destroy() })
  socket.on('data', chunk => { received += String(chunk) })
  socket.on('error', () => {})
  const ended = once(socket, 'close')
  await once(socket, tls === undefined ? 'connect' : 'secureConnect')
  ask(socket, path)
  return { socket, received: () => received, ended }
}

function ask (socket: Socket, path: string): void {
  socket.write(`GET ${path} HTTP/1.1\r\nHost: app.example.com\r\n\r\n`)
}

/** Whether a promise is settled by now. */
async function isSettled (promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  return await Promise.race([promise.then(() => true), new Promise(resolve => { setImmediate(resolve, pending) })]) !== pending
}

t.test('a request in flight is answered before the server ends', async t => {
  const { app, port, waiting } = await start(t)
  const client = await open(t, port, '/slow')
  await until(() => waiting.length === 1)

  const closed = app.close()
  await until(() => !app.server.listening)
  t.notOk(await isSettled(closed))
  waiting[0]?.()
  await closed

  await client.ended
  t.match(client.received(), /^HTTP\/1\.1 200 [\s\S]*done$/)
})

t.test('idle keep-alive connections do not hold the end back', async t => {
  const { app, port, waiting } = await start(t, { timeout: '30s' })
  const idle = await open(t, port, '/')
  await until(() => idle.received().endsWith('ok'))
  const silent = connect(port, '127.0.0.1')
  t.teardown(() => { silent.destroy() })
  await once(silent, 'connect')
  const busy = await open(t, port, '/slow')
  await until(() => waiting.length === 1)

  const closed = app.close()
  const isInTime = settlesWithin(5000, closed)
  await idle.ended
  // This one becomes idle while the server ends.
  waiting[0]?.()
  await Promise.all([closed, busy.ended])

  t.ok(await isInTime)
  t.match(busy.received(), /done$/)
})

for (const [name, tls] of [['', undefined], [' with TLS', makeCertificate()]] as const) {
  t.test(`a request that comes on a kept connection${name} while the server ends is answered, and the client told to let go`, async t => {
    const { app, port } = await start(t, {}, tls)
    const client = await open(t, port, '/', tls)
    await until(() => client.received().endsWith('ok'))
    t.match(client.received(), /connection: keep-alive/i)

    const closed = app.close()
    await until(() => !app.server.listening)
    ask(client.socket, '/')
    await Promise.all([closed, client.ended])

    t.match(client.received(), /keep-alive[\s\S]*200 OK[\s\S]*connection: close[\s\S]*ok$/i)
  })

  t.test(`a request on a kept connection${name} that is refused before it is routed tells the client to let go too`, async t => {
    for (const request of ['GET /a//b HTTP/1.1', 'GET http://elsewhere.example/ HTTP/1.1', 'GET /%zz HTTP/1.1', 'OPTIONS * HTTP/1.1']) {
      const { app, port } = await start(t, {}, tls)
      const client = await open(t, port, '/', tls)
      await until(() => client.received().endsWith('ok'))
      const before = client.received().length

      const closed = app.close()
      await until(() => !app.server.listening)
      client.socket.write(`${request}\r\nHost: app.example.com\r\n\r\n`)
      await Promise.all([closed, client.ended])

      t.match(client.received().slice(before), /^HTTP\/1\.1 (?:4|204)[\s\S]*connection: close/i, request)
    }
  })

  t.test(`a connection${name} that has answered for longer than others may be silent is not cut, and then let go in turn`, async t => {
    const { app, port, waiting } = await start(t, {}, tls)
    const idle = await open(t, port, '/', tls)
    await until(() => idle.received().endsWith('ok'))
    const client = await open(t, port, '/slow', tls)
    await until(() => waiting.length === 1)

    const closed = app.close()
    // Cut, because it has been silent for too long.
    await idle.ended
    waiting[0]?.()
    await Promise.all([closed, client.ended])

    t.match(client.received(), /connection: close[\s\S]*done$/i)
  })
}

t.test('requests that wait behind others when the server ends are not begun after an answer that says close', async t => {
  const { app, port, waiting } = await start(t)
  const begun: string[] = []
  app.server.on('request', request => { begun.push(request.url!) })
  const client = await open(t, port, '/slow')
  client.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(50))
  await until(() => waiting.length === 1 && begun.length === 51)

  const closed = app.close()
  await until(() => !app.server.listening)
  waiting[0]?.()
  await Promise.all([closed, client.ended])

  t.match(client.received(), /^HTTP\/1\.1 200 [^]*connection: close[^]*done$/i)
  t.equal(client.received().split('HTTP/1.1 ').length, 2, 'the client knows which requests to send again')
})

t.test('what was connected before the server ends, and not yet seen by it, is answered', async t => {
  const { app, port } = await start(t)
  const sockets = Array.from({ length: 20 }, () => connect(port, '127.0.0.1'))
  const answers = sockets.map(async socket => {
    ask(socket, '/')
    return (await socket.toArray()).join('')
  })
  const closed = app.close()

  for (const answer of await Promise.all(answers)) t.match(answer, /^HTTP\/1\.1 200 OK/)
  await closed
})

t.test('a TLS handshake that does not end is cut after the timeout', async t => {
  const { app, port } = await start(t, { timeout: '200ms' }, makeCertificate())
  const silent = connect(port, '127.0.0.1')
  t.teardown(() => { silent.destroy() })
  const ended = once(silent, 'close')
  await once(silent, 'connect')

  await Promise.all([app.close(), ended])
})

t.test('whoever is left after the timeout is cut', async t => {
  const { app, port, waiting } = await start(t, { timeout: '200ms' })
  const client = await open(t, port, '/slow')
  await until(() => waiting.length === 1)

  const startedAtMs = performance.now()
  await app.close()
  await client.ended

  t.ok(performance.now() - startedAtMs >= 190)
  t.equal(client.received(), '')
})

t.test('during the delay it serves on, also new connections, and says that it is not ready', async t => {
  const { app, port } = await start(t, { delay: '3s' })
  const closed = app.close()
  await until(() => !app.portcullis.health.isReady())

  t.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200)
  t.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 503)
  t.equal((await fetch(`http://127.0.0.1:${port}/healthz`)).status, 200)

  await closed
  await t.rejects(fetch(`http://127.0.0.1:${port}/`))
})

t.test('ending twice is ending once, and a server that never listened ends at once', async t => {
  const { app } = await start(t)
  await Promise.all([app.close(), app.close()])

  const { store } = await createStore(t)
  const silent = createServer(t)
  await silent.register(storePlugin, { type: 'custom', store })
  await silent.register(blocklist)
  await silent.register(health)
  await silent.register(drain, { timeout: '1h' })
  await silent.ready()
  await silent.close()
})

t.test('the plugin does not boot without health, nor with a plugin that is only called so', async t => {
  const app = createServer(t)
  await app.register(fp(async () => {}, { name: 'health' }))

  await t.rejects(async () => { await app.register(drain) }, { code: 'FST_ERR_PLUGIN_DEPENDENCY_NOT_REGISTERED' })
})

t.test('wrong options are refused by name', async t => {
  for (const [options, message] of [
    [{ delay: 'soon' }, /^portcullis-drain: delay must be a duration/],
    [{ timeout: -1 }, /^portcullis-drain: timeout must be a duration/],
    [{ grace: '1s' }, 'portcullis-drain: grace is not an option']
  ] as const) {
    const app = createServer(t)
    await app.register(fp(async () => {}, { name: 'portcullis-health' }))
    await t.rejects(async () => { await app.register(drain, options as unknown as DrainOptions) }, { code: 'PTC_ERR_CONFIG_INVALID', message }, JSON.stringify(options))
  }
})
