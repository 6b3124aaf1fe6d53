import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import type { Endings } from './endings.ts'

const tickMs = 250
const chunk = Buffer.alloc(64 * 1024, '.')
const chunks = 32

export interface Echo {
  url: string
  /** Requests that came without an identity: none may. */
  readonly unidentified: number
}

/**
 * Says whom it was told to serve and the nonce of the request: what a client gets is its own answer, or it shows. `/up/events` goes
 * on, `/up/file` is long, and WebSockets get back what they send.
 */
export async function startEcho (endings: Endings): Promise<Echo> {
  let unidentified = 0
  const identify = (request: IncomingMessage): string => {
    const subject = subjectOf(request)
    if (subject === null) unidentified++
    return `${subject}:${new URL(request.url!, 'http://echo').searchParams.get('nonce')}`
  }
  const server = createServer((request, response) => {
    request.resume()
    response.on('error', () => {})
    answer(request.url!, response, identify(request))
  })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket, request) => {
    const identity = identify(request)
    socket.on('error', () => {})
    socket.on('message', data => { socket.send(`${identity}:${String(data)}`) })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  endings.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.close()
    server.closeAllConnections()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, get unidentified () { return unidentified } }
}

function answer (url: string, response: ServerResponse, identity: string): void {
  if (url.startsWith('/up/events')) {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write(`data: ${identity}\n\n`)
    const ticking = setInterval(() => { response.write('data: tick\n\n') }, tickMs)
    response.on('close', () => { clearInterval(ticking) })
  } else if (url.startsWith('/up/file')) {
    response.write(`${identity}\n`)
    sendChunks(response, chunks)
  } else response.end(identity)
}

function sendChunks (response: ServerResponse, left: number): void {
  for (let rest = left; rest > 0; rest--) {
    if (response.write(chunk)) continue
    response.once('drain', () => { sendChunks(response, rest - 1) })
    return
  }
  response.end()
}

function subjectOf ({ headers }: IncomingMessage): string | null {
  const [, claims = ''] = headers.authorization?.split('.') ?? []
  const { sub } = JSON.parse(Buffer.from(claims, 'base64url').toString() || '{}') as { sub?: unknown }
  return typeof sub === 'string' ? sub : null
}
