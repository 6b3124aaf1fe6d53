import t from 'tap'
import { eventually, sendRaw, startProxy } from '../helpers/proxy.ts'
import { startUpstream } from '../helpers/upstream.ts'

t.test('a client that holds every connection with uploads of a few bytes gives way to another one', async t => {
  const upstream = await startUpstream(t)
  const { port, url, counter } = await startProxy(t, [{ target: upstream.url, connections: 4, timeout: 4000 }])
  const held = Array.from({ length: 4 }, () => sendRaw(t, port, 'POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc'))
  await eventually(() => counter.inFlight === 4)
  const drip = setInterval(() => { for (const { socket } of held) socket.write('x') }, 200)
  t.teardown(() => { clearInterval(drip) })

  t.equal((await fetch(`${url}/honest`)).status, 200)
  t.ok(held.some(({ received }) => /^HTTP\/1\.1 408 [^]*PTC_ERR_REQUEST_TIMEOUT/.test(received())))
})

t.test('a client that holds every connection by reading a few bytes gives way to another one', async t => {
  const upstream = await startUpstream(t, (request, response) => {
    if (request.url === '/large') response.end(Buffer.alloc(30_000_000, 'x'))
    else response.end('ok')
  })
  const { port, url } = await startProxy(t, [{ target: upstream.url, connections: 2, timeout: 4000 }])
  const held = [1, 2].map(() => sendRaw(t, port, 'GET /large HTTP/1.1\r\nHost: a\r\n\r\n'))
  for (const { socket, until } of held) {
    await until(/\r\n\r\nx/)
    socket.pause()
  }

  t.equal((await fetch(`${url}/honest`)).status, 200)
})

t.test('a slow client is left alone while nobody waits, and a steady one in any case', async t => {
  const upstream = await startUpstream(t)
  const { port, url, counter } = await startProxy(t, [{ target: upstream.url, connections: 1, timeout: 2000 }])
  const slow = sendRaw(t, port, 'POST /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 12\r\n\r\n')
  await eventually(() => counter.inFlight === 1)
  for (let sent = 0; sent < 12; sent++) {
    await new Promise(resolve => { setTimeout(resolve, 250) })
    slow.socket.write('x')
  }
  t.match(await slow.ended, /^HTTP\/1\.1 200 /)

  const steady = sendRaw(t, port, 'POST /steady HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n')
  await eventually(() => counter.inFlight === 1)
  const other = fetch(`${url}/honest`)
  for (let sent = 0; sent < 10; sent++) {
    await new Promise(resolve => { setTimeout(resolve, 150) })
    steady.socket.write('x'.repeat(20_000))
  }
  t.match(await steady.ended, /^HTTP\/1\.1 200 /)
  t.equal((await other).status, 200)
})
