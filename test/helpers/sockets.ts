import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import { WebSocket, WebSocketServer, type ClientOptions } from 'ws'
import type { ConfigInput } from '../../config/schema.ts'
import { startGateway, type TestGateway } from './build-gateway.ts'
import { forgetReceived, rememberReceived } from './secrets.ts'

export interface SocketUpstream {
  url: string
  /** The handshakes, in the order of their arrival. */
  requests: IncomingMessage[]
  sockets: WebSocket[]
}

/** Starts an upstream that echoes every message. Plain requests are answered 426. Ends with the test. */
export async function startSocketUpstream (t: Test, { onSocket = echo, onRequest = refuse }: { onSocket?: (socket: WebSocket) => void, onRequest?: (request: IncomingMessage, response: ServerResponse) => void } = {}): Promise<SocketUpstream> {
  const http = createServer(onRequest)
  const server = new WebSocketServer({ server: http, perMessageDeflate: true })
  const requests: IncomingMessage[] = []
  const sockets: WebSocket[] = []
  server.on('connection', (socket, request) => {
    requests.push(request)
    rememberReceived(request.socket.localPort, request)
    sockets.push(socket)
    socket.on('error', () => {})
    onSocket(socket)
  })
  await new Promise<void>(resolve => { http.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => new Promise(resolve => {
    for (const socket of sockets) socket.terminate()
    http.close(resolve)
    http.closeAllConnections()
  }))
  const { port } = http.address() as AddressInfo
  forgetReceived(port)
  return { url: `http://127.0.0.1:${port}`, requests, sockets }
}

function echo (socket: WebSocket): void {
  socket.on('message', (data, isBinary) => { socket.send(data, { binary: isBinary }) })
}

function refuse (_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(426, { 'content-type': 'text/plain' }).end('a WebSocket, please')
}

/** Starts a gateway with WebSockets at /live (audience live), public ones at /open, and none at /plain. */
export async function startSocketGateway (t: Test, target: string, overrides: Partial<ConfigInput> = {}): Promise<TestGateway & { ws: string }> {
  const gateway = await startGateway(t, {
    upstreams: [
      { prefix: '/live', target, audience: 'live', websocket: true },
      { prefix: '/open', target, access: 'public', websocket: true },
      { prefix: '/plain', target, access: 'public' }
    ],
    ...overrides
  })
  return { ...gateway, ws: gateway.url.replace('http', 'ws') }
}

/** Opens a client's WebSocket, which ends with the test. */
export function connectTo (t: Test, url: string, protocols: string[] = [], options: ClientOptions = {}): WebSocket {
  const socket = new WebSocket(url, protocols, options)
  t.teardown(() => { socket.terminate() })
  socket.on('error', () => {})
  return socket
}

/** Resolves to a client's WebSocket once it is open. */
export async function openSocket (t: Test, url: string, protocols: string[] = [], headers: Record<string, string> = {}): Promise<WebSocket> {
  const socket = connectTo(t, url, protocols, { headers })
  await once(socket, 'open')
  return socket
}

/** Resolves to the refusal of a WebSocket: status and body of the answer. */
export async function refusalOf (t: Test, url: string, protocols: string[] = [], headers: Record<string, string> = {}): Promise<{ status: number, code: string, body: string }> {
  const socket = connectTo(t, url, protocols, { headers })
  const [, response] = await once(socket, 'unexpected-response') as [unknown, IncomingMessage]
  const body = (await response.toArray()).join('')
  return { status: response.statusCode!, code: codeOf(body), body }
}

function codeOf (body: string): string {
  return /"code":"(\w+)"/.exec(body)?.[1] ?? ''
}

/** Resolves to the code and the reason with which a WebSocket ends. */
export async function closeOf (socket: WebSocket): Promise<{ code: number, reason: string }> {
  const [code, reason] = await once(socket, 'close') as [number, Buffer]
  return { code, reason: reason.toString() }
}

/** Resolves to the next message. */
export async function messageOf (socket: WebSocket): Promise<{ data: Buffer, isBinary: boolean }> {
  const [data, isBinary] = await once(socket, 'message') as [Buffer, boolean]
  return { data, isBinary }
}

/** Sends one message; resolves to the answer. */
export async function ask (socket: WebSocket, message: string): Promise<string> {
  socket.send(message)
  return (await messageOf(socket)).data.toString()
}
