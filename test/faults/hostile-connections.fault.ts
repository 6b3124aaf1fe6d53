import { readdir, readlink } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { bearer } from '../helpers/bearer.ts'
import { signInForTokens } from '../helpers/build-gateway.ts'
import { untilTrue } from '../helpers/portcullis.ts'
import { startFleet } from './gateways.ts'

/*
 * Clients that take connections and give nothing: headers that come byte by byte, bodies that stop, requests that are cut off, sockets
 * that are half closed. Everybody else is served beside them, and what they held is let go.
 */

const many = 400

const request = 'POST /up HTTP/1.1\r\nHost: app.example.com\r\nContent-Type: application/octet-stream\r\n'

type Abuse = (socket: Socket, token: string) => void

const abuses: Record<string, Abuse> = {
  'says nothing': () => {},
  'sends headers byte by byte': socket => {
    let at = 0
    const timer = setInterval(() => { socket.write(request[at++ % request.length]!) }, 200)
    socket.on('close', () => { clearInterval(timer) })
  },
  'stops in the middle of a body': (socket, token) => { socket.write(`${request}Authorization: Bearer ${token}\r\nContent-Length: 1000\r\n\r\n0123456789`) },
  'is reset in the middle of a body': (socket, token) => { socket.write(`${request}Authorization: Bearer ${token}\r\nContent-Length: 1000\r\n\r\n0123456789`, () => { socket.resetAndDestroy() }) },
  'ends in the middle of a chunk': (socket, token) => { socket.end(`${request}Authorization: Bearer ${token}\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n0123456789`) },
  'closes its half after a request': (socket, token) => { socket.end(`GET /up?nonce=1 HTTP/1.1\r\nHost: app.example.com\r\nAuthorization: Bearer ${token}\r\n\r\n`) },
  'never reads the answer': (socket, token) => {
    socket.pause()
    socket.write(`GET /up?nonce=1 HTTP/1.1\r\nHost: app.example.com\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  }
}

async function socketsOf (pid: number): Promise<number> {
  const files = await readdir(`/proc/${pid}/fd`)
  const links = await Promise.all(files.map(async file => await readlink(`/proc/${pid}/fd/${file}`).catch(() => '')))
  return links.filter(link => link.startsWith('socket:')).length
}

t.test(`beside ${many} connections of every hostile kind everybody else is served, and all of them are let go`, async t => {
  const { processes: [gateway] } = await startFleet(t, { type: 'sqlite', path: './portcullis.db' }, {
    count: 1,
    more: { limits: { headersTimeout: '2s', keepAlive: '2s' } }
  })
  const { url, pid } = gateway!
  const { token } = await signInForTokens(url, 'client-0')
  await sleep(100)
  const before = await socketsOf(pid)

  for (const [what, abuse] of Object.entries(abuses)) {
    const sockets = await Promise.all(Array.from({ length: many }, async () => {
      const socket = connect(Number(new URL(url).port), '127.0.0.1')
      socket.on('error', () => {})
      await new Promise(resolve => { socket.on('connect', resolve).on('close', resolve) })
      abuse(socket, token)
      return socket
    }))

    for (let round = 0; round < 20; round++) t.equal((await fetch(`${url}/auth/session`, { headers: bearer(token) })).status, 200, what)

    for (const socket of sockets) socket.on('data', () => {})
    if (what === 'never reads the answer') for (const socket of sockets) socket.destroy()
    const { ms } = await untilTrue(async () => await socketsOf(pid) <= before + 10, 100).catch(() => ({ ms: NaN }))
    t.ok(!Number.isNaN(ms), `a client that ${what} is let go (${await socketsOf(pid)} sockets, ${before} before)`)
    for (const socket of sockets) socket.destroy()
  }
  t.equal((await gateway!.end()).code, 0)
})
