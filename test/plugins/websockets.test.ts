import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as wait } from 'node:timers/promises'
import t from 'tap'
import { origin, signIn, signInForTokens } from '../helpers/build-gateway.ts'
import { claimsOf } from '../helpers/credentials.ts'
import { settlesWithin } from '../helpers/patience.ts'
import { eventually } from '../helpers/proxy.ts'
import { ask, closeOf, connectTo, messageOf, openSocket, refusalOf, startSocketGateway, startSocketUpstream } from '../helpers/sockets.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { startRawUpstream } from '../helpers/upstream.ts'

t.test('text and binary messages go both ways as they are', async t => {
  const upstream = await startSocketUpstream(t)
  const { ws, url } = await startSocketGateway(t, upstream.url)
  const { cookie } = await signIn(url)

  const socket = await openSocket(t, `${ws}/live/room?x=1`, [], { cookie })
  t.equal(await ask(socket, 'grüße'), 'grüße')
  socket.send(Buffer.from([0, 1, 255]))
  t.strictSame(await messageOf(socket), { data: Buffer.from([0, 1, 255]), isBinary: true })
  t.equal(upstream.requests[0]?.url, '/live/room?x=1')
})

t.test('the upstream is told who it is, and nothing of what is ours', async t => {
  const upstream = await startSocketUpstream(t)
  const { ws, url } = await startSocketGateway(t, upstream.url)
  const { cookie } = await signIn(url)

  await openSocket(t, `${ws}/live`, ['chat'], { cookie: `${cookie}; theme=dark`, origin, 'x-auth-subject': 'root' })

  const { headers } = upstream.requests[0]!
  t.match(claimsOf(headers.authorization), { aud: 'live', sub: 'ada' })
  t.equal(headers.cookie, 'theme=dark')
  t.equal(headers['x-forwarded-proto'], 'https')
  t.equal(headers['sec-websocket-protocol'], 'chat')
  t.notOk('x-auth-subject' in headers)
})

t.test('big messages are the same to the byte while both sides read slowly', async t => {
  const upstream = await startSocketUpstream(t)
  const { ws } = await startSocketGateway(t, upstream.url)
  const socket = connectTo(t, `${ws}/open`, [], { perMessageDeflate: false, maxPayload: 64 << 20 })
  await once(socket, 'open')
  const message = randomBytes(24 << 20)
  const rss = process.memoryUsage.rss()

  socket.send(message)
  upstream.sockets[0]!.pause()
  await wait(100)
  upstream.sockets[0]!.resume()
  socket.pause()
  await wait(300)
  socket.resume()

  const digest = (data: Buffer): string => createHash('sha256').update(data).digest('hex')
  t.equal(digest((await messageOf(socket)).data), digest(message))
  t.ok(process.memoryUsage.rss() - rss < 400 << 20)
})

t.test('a client that reads slowly holds the upstream back', async t => {
  const upstream = await startSocketUpstream(t, { onSocket: () => {} })
  const { ws } = await startSocketGateway(t, upstream.url)
  const client = await openSocket(t, `${ws}/open`)
  client.pause()
  const [socket] = upstream.sockets
  const chunk = randomBytes(1 << 20)
  for (let i = 0; i < 100; i++) socket!.send(chunk)

  let last = -1
  while (last !== socket!.bufferedAmount) {
    last = socket!.bufferedAmount
    await wait(150)
  }

  t.ok(last > 60 << 20, `${last} bytes are left`)
})

t.test('compression that both sides agree on passes', async t => {
  const upstream = await startSocketUpstream(t)
  const { ws } = await startSocketGateway(t, upstream.url)

  const socket = await openSocket(t, `${ws}/open`)

  t.match(socket.extensions, 'permessage-deflate')
  t.equal(await ask(socket, 'a'.repeat(100_000)), 'a'.repeat(100_000))
})

t.test('pings are answered by the other side', async t => {
  const upstream = await startSocketUpstream(t)
  const { ws } = await startSocketGateway(t, upstream.url)
  const socket = await openSocket(t, `${ws}/open`)

  socket.ping('there')
  t.equal(String((await once(socket, 'pong'))[0]), 'there')
  upstream.sockets[0]!.ping('back')
  t.equal(String((await once(upstream.sockets[0]!, 'pong'))[0]), 'back')
})

t.test('close codes and reasons pass both ways', async t => {
  const upstream = await startSocketUpstream(t)
  const { ws } = await startSocketGateway(t, upstream.url)

  const leaving = await openSocket(t, `${ws}/open`)
  leaving.close(4001, 'had enough')
  const [seen, own] = await Promise.all([closeOf(upstream.sockets[0]!), closeOf(leaving)])
  t.strictSame(seen, { code: 4001, reason: 'had enough' })
  t.equal(own.code, 4001)

  const left = await openSocket(t, `${ws}/open`)
  upstream.sockets[1]!.close(4002, 'go')
  t.strictSame(await closeOf(left), { code: 4002, reason: 'go' })
})

t.test('an upstream that dies ends its clients without a Close frame, as without a gateway', async t => {
  const upstream = await startSocketUpstream(t)
  const { ws, app } = await startSocketGateway(t, upstream.url)
  const socket = await openSocket(t, `${ws}/open`)

  upstream.sockets[0]!.terminate()

  t.equal((await closeOf(socket)).code, 1006)
  await eventually(() => app.portcullis.streams.open === 0)
})

t.test('a client that dies ends its WebSocket upstream', async t => {
  const upstream = await startSocketUpstream(t)
  const { ws, app } = await startSocketGateway(t, upstream.url)
  const socket = await openSocket(t, `${ws}/open`)
  t.equal(app.portcullis.streams.open, 1)

  socket.terminate()

  t.equal((await closeOf(upstream.sockets[0]!)).code, 1006)
  await eventually(() => app.portcullis.streams.open === 0)
})

t.test('an access token comes as a subprotocol, and never reaches the upstream', async t => {
  const upstream = await startSocketUpstream(t)
  const { ws, url } = await startSocketGateway(t, upstream.url)
  const { token } = await signInForTokens(url)

  const socket = await openSocket(t, `${ws}/live`, ['chat', `portcullis.bearer.${token}`])

  t.equal(socket.protocol, 'chat')
  t.equal(await ask(socket, 'hello'), 'hello')
  const { headers, rawHeaders } = upstream.requests[0]!
  t.equal(headers['sec-websocket-protocol'], 'chat')
  t.notOk(rawHeaders.some(text => text.includes(token)))
  t.match(claimsOf(headers.authorization), { aud: 'live', sub: 'ada' })
})

t.test('where the token is the only subprotocol, it is the one that is chosen', async t => {
  const upstream = await startSocketUpstream(t)
  const { ws, url } = await startSocketGateway(t, upstream.url)
  const { token } = await signInForTokens(url)

  // As in browsers: one that offers and is given none fails.
  const socket = await openSocket(t, `${ws}/live`, [`portcullis.bearer.${token}`])

  t.equal(socket.protocol, `portcullis.bearer.${token}`)
  t.notOk('sec-websocket-protocol' in upstream.requests[0]!.headers)
})

t.test('a WebSocket without, with bad, and with two credentials is refused as a request is', async t => {
  const upstream = await startSocketUpstream(t)
  const { ws, url } = await startSocketGateway(t, upstream.url)
  const { token } = await signInForTokens(url)
  const { cookie } = await signIn(url)
  const { token: other } = await signInForTokens(url, 'ada', ['origin'])
  const bearer = `portcullis.bearer.${token}`

  for (const [protocols, headers, status, code] of [
    [[], {}, 401, 'PTC_ERR_CREDENTIALS_MISSING'],
    [['portcullis.bearer.nonsense'], {}, 401, 'PTC_ERR_TOKEN_INVALID'],
    [['portcullis.bearer.'], {}, 401, 'PTC_ERR_TOKEN_INVALID'],
    [[`portcullis.bearer.${other}`], {}, 401, 'PTC_ERR_TOKEN_INVALID'],
    [[bearer], { cookie }, 400, 'PTC_ERR_CREDENTIALS_AMBIGUOUS'],
    [[bearer], { authorization: `Bearer ${token}` }, 400, 'PTC_ERR_CREDENTIALS_AMBIGUOUS'],
    [[bearer, 'portcullis.bearer.another'], {}, 400, 'PTC_ERR_CREDENTIALS_AMBIGUOUS']
  ] as Array<[string[], Record<string, string>, number, string]>) {
    t.match(await refusalOf(t, `${ws}/live`, protocols, headers), { status, code }, code)
  }
  t.equal(upstream.requests.length, 0)
})

t.test('what is no WebSocket of an upstream is answered as HTTP', async t => {
  const upstream = await startSocketUpstream(t)
  const { ws, url } = await startSocketGateway(t, upstream.url)

  t.match(await refusalOf(t, `${ws}/nowhere`), { status: 404, code: 'PTC_ERR_NOT_FOUND' })
  t.match(await refusalOf(t, `${ws}/auth/session`), { status: 401 })
  t.match(await refusalOf(t, `${ws}/open/%2e%2e%2fx`), { status: 400, code: 'PTC_ERR_PATH_REFUSED' })
  t.match(await refusalOf(t, `${ws}/plain`), { status: 426, body: 'a WebSocket, please' })
  t.equal((await fetch(`${url}/open`)).status, 426)
  t.equal(upstream.requests.length, 0)
})

t.test('an upstream that refuses is heard, and one that is dead is 502', async t => {
  const upstream = await startSocketUpstream(t)
  const refusing = await startRawUpstream(t, socket => { socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\nX-Why: shy\r\n\r\nno') })
  const { ws } = await startSocketGateway(t, upstream.url, {
    upstreams: [
      { prefix: '/refusing', target: refusing.url, access: 'public', websocket: true },
      { prefix: '/dead', target: `http://127.0.0.1:${await findClosedPort()}`, access: 'public', websocket: true }
    ]
  })

  t.match(await refusalOf(t, `${ws}/refusing`), { status: 403, body: 'no' })
  t.match(await refusalOf(t, `${ws}/dead`), { status: 502, code: 'PTC_ERR_UPSTREAM_UNREACHABLE' })
})

t.test('an upstream that does not answer the handshake is 504', async t => {
  const silent = await startRawUpstream(t, () => {})
  const { ws } = await startSocketGateway(t, silent.url, { upstreams: [{ prefix: '/', target: silent.url, access: 'public', websocket: true, timeout: '300ms' }] })

  t.match(await refusalOf(t, ws), { status: 504, code: 'PTC_ERR_UPSTREAM_TIMEOUT' })
})

t.test('a client that goes away during the handshake ends it upstream', async t => {
  const silent = await startRawUpstream(t, () => {})
  const { ws } = await startSocketGateway(t, silent.url, { upstreams: [{ prefix: '/', target: silent.url, access: 'public', websocket: true }] })
  const socket = connectTo(t, ws)
  await eventually(() => silent.connections.length === 1 && silent.connections[0] !== '')

  socket.terminate()

  await eventually(() => silent.ended() === 1)
})

t.test('draining ends WebSockets with 1001, on both sides, in time', async t => {
  const upstream = await startSocketUpstream(t)
  const { ws, app } = await startSocketGateway(t, upstream.url)
  const socket = await openSocket(t, `${ws}/open`)

  const ended = Promise.all([closeOf(socket), closeOf(upstream.sockets[0]!), app.close()])
  t.ok(await settlesWithin(5000, ended))
  const [client, server] = await ended

  t.equal(client.code, 1001)
  t.equal(server.code, 1001)
})

t.test('a client that ignores the end, and one in the middle of the handshake, do not hold the server open', async t => {
  const silent = await startRawUpstream(t, () => {})
  const upstream = await startSocketUpstream(t)
  const { ws, app } = await startSocketGateway(t, upstream.url, {
    shutdown: { timeout: '500ms' },
    upstreams: [
      { prefix: '/open', target: upstream.url, access: 'public', websocket: true },
      { prefix: '/silent', target: silent.url, access: 'public', websocket: true }
    ]
  })
  const deaf = await openSocket(t, `${ws}/open`)
  deaf.pause()
  connectTo(t, `${ws}/silent`)
  await eventually(() => silent.connections.length === 1)

  t.ok(await settlesWithin(5000, app.close()))
})
