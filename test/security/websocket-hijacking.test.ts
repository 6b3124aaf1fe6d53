import type { Socket } from 'node:net'
import t, { type Test } from 'tap'
import { WebSocket } from 'ws'
import { closeFrame } from '../../lib/proxy/websocket-frames.ts'
import { acceptOf } from '../../lib/proxy/websocket.ts'
import { origin, signIn } from '../helpers/build-gateway.ts'
import { eventually, sendRaw } from '../helpers/proxy.ts'
import { ask, closeOf, openSocket, refusalOf, startSocketGateway, startSocketUpstream } from '../helpers/sockets.ts'
import { startRawUpstream, startUpstream } from '../helpers/upstream.ts'

/*
 * A WebSocket is not bound by the same-origin policy: any page may open one to any host, the browser adds the cookies of that host,
 * and no preflight asks first. A page that a signed-in user visits could so read and write in the user's name for as long as it is
 * open. What tells it apart is the Origin, which every browser sends with the handshake.
 *
 * The handshake itself is a door for smuggling: a proxy that stops reading HTTP because a client said Upgrade, while the upstream
 * goes on with HTTP, passes on requests that it never judges.
 */

const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const handshake = (path: string, more = '', host = 'a'): string =>
  `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n${more}\r\n`

async function start (t: Test) {
  const upstream = await startSocketUpstream(t)
  const gateway = await startSocketGateway(t, upstream.url)
  return { ...gateway, upstream, port: Number(new URL(gateway.url).port) }
}

/** A gateway before an upstream that answers as these bytes do. */
async function startBefore (t: Test, answer: string) {
  const upstream = await startRawUpstream(t, (socket, sent) => { if (sent.endsWith('\r\n\r\n')) socket.write(answer) })
  const gateway = await startSocketGateway(t, upstream.url)
  return { ...gateway, upstream, port: Number(new URL(gateway.url).port) }
}

t.test('a page of another site cannot open a WebSocket with the cookie of its visitor', async t => {
  const { ws, url, upstream } = await start(t)
  const { cookie } = await signIn(url)

  for (const headers of [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { origin: 'https://sibling.example.com', 'sec-fetch-site': 'same-site' },
    { origin, 'sec-fetch-site': 'cross-site' },
    { origin: 'https://evil.example', 'sec-fetch-site': 'same-origin' },
    { origin: `${origin}.evil.example` }
  ] as Array<Record<string, string>>) {
    t.match(await refusalOf(t, `${ws}/live`, [], { cookie, ...headers }), { status: 403, code: 'PTC_ERR_CSRF_REFUSED' }, JSON.stringify(headers))
    t.match(await refusalOf(t, `${ws}/open`, [], headers), { status: 403 })
  }
  t.equal(upstream.requests.length, 0)
})

t.test('the own site can, and so can what is no browser', async t => {
  const { ws, url } = await start(t)
  const { cookie } = await signIn(url)

  t.equal(await ask(await openSocket(t, `${ws}/live`, [], { cookie, origin, 'sec-fetch-site': 'same-origin' }), 'a'), 'a')
  t.equal(await ask(await openSocket(t, `${ws}/live`, [], { cookie }), 'a'), 'a')
})

t.test('a handshake with a body, of another method or of HTTP/1.0 is refused', async t => {
  const { port, upstream } = await start(t)

  for (const bytes of [
    handshake('/open', 'Content-Length: 5\r\n') + 'GET /',
    handshake('/open', 'Transfer-Encoding: chunked\r\n') + '0\r\n\r\n',
    handshake('/open').replace('GET', 'POST'),
    handshake('/open').replace('HTTP/1.1', 'HTTP/1.0'),
    handshake('/open').replace(key, 'short'),
    handshake('/open', `Sec-WebSocket-Key: ${key}\r\n`),
    handshake('/open').replace(/Sec-WebSocket-Key.*\r\n/, '')
  ]) {
    const client = sendRaw(t, port, bytes)
    t.match(await client.until(/\r\n\r\n[^]*PTC_/), /^HTTP\/1\.1 400 [^]*PTC_ERR_REQUEST_INVALID/, JSON.stringify(bytes))
    client.socket.destroy()
  }
  t.equal(upstream.requests.length, 0)
})

t.test('what follows a handshake before its answer is no second request', async t => {
  const upstream = await startRawUpstream(t, () => {})
  const { url } = await startSocketGateway(t, upstream.url)
  const port = Number(new URL(url).port)

  const client = sendRaw(t, port, handshake('/open') + 'GET /admin HTTP/1.1\r\nHost: a\r\n\r\n')
  t.match(await client.ended, /^HTTP\/1\.1 400 (?![^]*HTTP\/1\.1)/)
  t.equal(upstream.connections.length, 0)
})

t.test('what comes while the upstream thinks never reaches it, whatever it answers', async t => {
  let answer = (): void => {}
  const upstream = await startRawUpstream(t, socket => { answer = () => { socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`) } })
  const { url } = await startSocketGateway(t, upstream.url)

  const client = sendRaw(t, Number(new URL(url).port), handshake('/open'))
  await eventually(() => upstream.connections[0]?.endsWith('\r\n\r\n') === true)
  client.socket.write('GET /admin HTTP/1.1\r\nHost: a\r\n\r\n')
  await new Promise(resolve => { setTimeout(resolve, 50) })
  answer()

  t.match(await client.ended, /^HTTP\/1\.1 400 (?![^]*HTTP\/1\.1)/)
  t.notMatch(upstream.connections[0], '/admin')
})

t.test('an open WebSocket carries frames alone: a request is no frame', async t => {
  const { port, upstream } = await start(t)
  const client = sendRaw(t, port, handshake('/open'))
  await client.until(/^HTTP\/1\.1 101 [^]*\r\n\r\n/)

  client.socket.write('GET /admin HTTP/1.1\r\nHost: a\r\n\r\n')

  t.ok((await client.ended).endsWith(closeFrame(1002, false).toString('latin1')))
  await eventually(() => upstream.sockets[0]?.readyState === WebSocket.CLOSED)
})

t.test('an upstream that does not really switch is never passed through', async t => {
  const accept = `Sec-WebSocket-Accept: ${acceptOf(key)}\r\n`
  for (const [name, answer] of Object.entries({
    'a wrong Accept': `HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf('another')}\r\n\r\n`,
    'no Accept': 'HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
    'another protocol': `HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n${accept}\r\n`,
    'a subprotocol that was not offered': `HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${accept}Sec-WebSocket-Protocol: chat\r\n\r\n`
  })) {
    const { port } = await startBefore(t, answer)
    t.match(await sendRaw(t, port, handshake('/open')).ended, /^HTTP\/1\.1 502 [^]*PTC_ERR_UPSTREAM_RESPONSE_INVALID/, name)
  }
})

t.test('after an answer that is no 101 the connection ends: nothing more on it is read', async t => {
  const { port, upstream } = await startBefore(t, 'HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno')

  const client = sendRaw(t, port, handshake('/open'))
  await client.until(/no$/)
  client.socket.write('GET /admin HTTP/1.1\r\nHost: a\r\n\r\n')

  t.match(await client.ended, /^HTTP\/1\.1 200 OK\r\n(?![^]*HTTP\/1\.1)/)
  t.ok(upstream.connections.every(sent => !sent.includes('/admin')))
})

t.test('no cookie of ours is set or cleared by a handshake', async t => {
  const { port } = await startBefore(t, `HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\nSet-Cookie: __Host-Http-portcullis=evil\r\nSet-Cookie: theme=dark\r\nContent-Length: 7\r\n\r\n`)

  const answer = await sendRaw(t, port, handshake('/open')).until(/\r\n\r\n/)

  t.match(answer, /theme=dark/)
  t.notMatch(answer, /__Host-Http-portcullis|content-length/i)
})

t.test('h2c and an Upgrade where none is configured go on as HTTP', async t => {
  const upstream = await startUpstream(t)
  const { url } = await startSocketGateway(t, upstream.url)
  const port = Number(new URL(url).port)

  const h2c = sendRaw(t, port, 'GET /open HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQ\r\n\r\n')
  await h2c.until(/ok$/)
  h2c.socket.write('GET /open HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.match(await h2c.ended, /^HTTP\/1\.1 200 [^]*HTTP\/1\.1 200 /)
  t.match(await sendRaw(t, port, handshake('/plain')).ended, /^HTTP\/1\.1 200 [^]*ok/)
  for (const { headers } of upstream.requests) t.notOk('upgrade' in headers)
})

t.test('a handshake that is pipelined behind another request cannot take its connection over', async t => {
  const upstream = await startUpstream(t, (request, response) => { setTimeout(() => { response.end(request.url) }, 50) })
  const { url } = await startSocketGateway(t, upstream.url)

  const client = sendRaw(t, Number(new URL(url).port), 'GET /plain/slow HTTP/1.1\r\nHost: a\r\n\r\n' + handshake('/open'))

  t.match(await client.until(/PTC_ERR/), /^HTTP\/1\.1 200 [^]*\/plain\/slow[^]*HTTP\/1\.1 400 /)
  t.equal(upstream.requests.length, 1)
})

t.test('connections that are reset at any moment leave the gateway running', async t => {
  const { port, ws, upstream } = await start(t)
  const resetting = await startRawUpstream(t, socket => { socket.resetAndDestroy() })
  const other = await startSocketGateway(t, resetting.url)

  for (const waitMs of [0, 0, 1, 2, 5, 10]) {
    const client = sendRaw(t, port, handshake('/open') + (waitMs === 10 ? '\x81' : ''))
    await new Promise(resolve => { setTimeout(resolve, waitMs) })
    client.socket.resetAndDestroy()
  }
  t.match(await refusalOf(t, `${other.ws}/open`), { status: 502 })
  const socket = await openSocket(t, `${ws}/open`)
  ;(upstream.sockets.at(-1) as unknown as { _socket: Socket })._socket.resetAndDestroy()
  await closeOf(socket)

  t.equal(await ask(await openSocket(t, `${ws}/open`), 'alive'), 'alive')
})

t.test('frames that come with the 101 arrive, wherever the bytes are cut', async t => {
  const head = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`
  const frames = '\x81\x05early\x82\x7e\x03\xe8' + 'b'.repeat(1000) + '\x81\x04last'
  for (const cut of [head.length, head.length + 1, head.length + 2, head.length + 4, head.length + 9, 10, head.length - 2, head.length + frames.length]) {
    const upstream = await startRawUpstream(t, (socket, sent) => {
      if (!sent.endsWith('\r\n\r\n')) return
      const bytes = head + frames
      socket.setNoDelay(true).write(bytes.slice(0, cut), 'latin1')
      setTimeout(() => { socket.write(bytes.slice(cut), 'latin1') }, 30)
    })
    const { url } = await startSocketGateway(t, upstream.url)
    const client = sendRaw(t, Number(new URL(url).port), handshake('/open'))
    const received = await client.until(/last$/)
    t.ok(received.endsWith(`\r\n\r\n${frames}`), `cut at ${cut}`)
    client.socket.destroy()
  }
})

t.test('a large answer to a refused handshake arrives as a whole', async t => {
  const body = 'x'.repeat(3_000_000)
  const { port } = await startBefore(t, `HTTP/1.1 403 Forbidden\r\nContent-Length: ${body.length}\r\n\r\n${body}`)

  t.ok((await sendRaw(t, port, handshake('/open')).ended).endsWith(`\r\n\r\n${body}`))
})

t.test('a 101 with a doubled Upgrade is no answer to a handshake', async t => {
  const { port } = await startBefore(t, `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: ${acceptOf(key)}\r\n\r\n`)

  t.match(await sendRaw(t, port, handshake('/open')).ended, /^HTTP\/1\.1 502 [^]*PTC_ERR_UPSTREAM_RESPONSE_INVALID/)
})
