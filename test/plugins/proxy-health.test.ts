import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createRawServer, type AddressInfo, type Socket } from 'node:net'
import t, { type Test } from 'tap'
import { eventually, startProxy } from '../helpers/proxy.ts'

interface Target { url: string, served: () => number, checks: () => number, setStatus: (status: number) => void }

/** A target whose health is that of `setStatus`, and that answers other requests in any case. */
async function startTarget (t: Test): Promise<Target> {
  let [status, served, checks] = [200, 0, 0]
  const server: Server = createServer((request, response) => {
    if (request.url === '/healthz') checks++
    else served++
    response.statusCode = request.url === '/healthz' ? status : 200
    response.end('ok')
  }).listen(0, '127.0.0.1')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, served: () => served, checks: () => checks, setStatus: next => { status = next } }
}

const health = { path: '/healthz', interval: 100, timeout: 1000 }

t.test('a target whose checks fail gets no requests until one succeeds', async t => {
  const [one, other] = [await startTarget(t), await startTarget(t)]
  const { url } = await startProxy(t, [{ targets: [one.url, other.url], health }])
  const ask = async (): Promise<void> => { for (let i = 0; i < 40; i++) t.equal((await fetch(url)).status, 200) }
  const failed = async (target: Target): Promise<void> => {
    const before = target.checks()
    await eventually(() => target.checks() >= before + 4)
  }

  await ask()
  t.ok(one.served() > 0 && other.served() > 0)
  one.setStatus(503)
  await failed(one)
  const before = one.served()
  await ask()
  t.equal(one.served(), before)
  one.setStatus(204)
  await failed(one)
  await ask()
  t.ok(one.served() > before)
})

t.test('while every target is down it is 502 at once, and the client may come back', async t => {
  const target = await startTarget(t)
  target.setStatus(500)
  const { url } = await startProxy(t, [{ target: target.url, health }])
  await eventually(() => target.checks() >= 4)

  const answer = await fetch(url)
  t.strictSame([answer.status, answer.headers.get('retry-after'), target.served()], [502, '1', 0])
  t.match(await answer.json(), { code: 'PTC_ERR_UPSTREAM_UNREACHABLE' })
})

t.test('wrong options of health are refused by name', async t => {
  for (const [given, message] of [[{}, /health.path is required|health\/path|health\.path/], [{ path: 'healthz' }, /health.*path/], [{ path: '/a b' }, /health.*path/]] as const) {
    await t.rejects(startProxy(t, [{ target: 'http://127.0.0.1:1', health: given as never }]), { message })
  }
})

t.test('a check that hangs is not repeated beside itself, and counts as a failure', async t => {
  let open = 0
  let most = 0
  const server = createServer((request, response) => {
    if (request.url !== '/healthz') {
      response.end('ok')
      return
    }
    most = Math.max(most, ++open)
    response.on('close', () => { open-- })
  }).listen(0, '127.0.0.1')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  const { url } = await startProxy(t, [{ target: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, health: { path: '/healthz', interval: 100, timeout: 300 } }])

  t.equal((await fetch(url)).status, 200)
  while ((await fetch(url)).status !== 502) await new Promise(resolve => { setTimeout(resolve, 50) })
  t.equal(most, 1)
})

t.test('a check that is answered with a change of protocols has failed, and the next one follows', async t => {
  let checks = 0
  const server = createServer()
  server.on('connection', socket => {
    socket.on('error', () => {})
    socket.on('data', () => {
      checks++
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
    })
  })
  server.listen(0, '127.0.0.1')
  t.teardown(() => { server.close() })
  await once(server, 'listening')
  const { url } = await startProxy(t, [{ target: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, health }])

  await eventually(() => checks >= 4)
  t.equal((await fetch(url)).status, 502)
})

t.test('a check that hangs ends with the server', async t => {
  const hanging = new Set<Socket>()
  const server = createRawServer(socket => {
    hanging.add(socket)
    socket.on('error', () => {}).on('close', () => { hanging.delete(socket) }).resume()
  }).listen(0, '127.0.0.1')
  t.teardown(() => { server.close() })
  await once(server, 'listening')
  const { app } = await startProxy(t, [{ target: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, health: { ...health, timeout: 600_000 } }])
  await eventually(() => hanging.size === 1)

  await app.close()
  await eventually(() => hanging.size === 0)
})

t.test('requests that wait for a connection are answered as soon as every target is down', async t => {
  let status = 200
  const server = createServer((request, response) => {
    if (request.url !== '/healthz') return
    response.statusCode = status
    response.end()
  }).listen(0, '127.0.0.1')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, 'listening')
  const { url, counter } = await startProxy(t, [{ target: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, connections: 1, timeout: 600_000, health }])
  const busy = fetch(`${url}/hang`).catch(() => {})
  await eventually(() => counter.inFlight === 1)
  const waiting = fetch(`${url}/wait`)
  await eventually(() => counter.inFlight === 2)

  status = 500
  const answer = await waiting
  t.strictSame([answer.status, answer.headers.get('retry-after')], [502, '1'])
  server.closeAllConnections()
  await busy
})
