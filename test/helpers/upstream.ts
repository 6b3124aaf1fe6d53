import { createServer, type IncomingHttpHeaders, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import { createServer as createSocketServer, type AddressInfo, type Server, type Socket } from 'node:net'
import type { Test } from 'tap'
import { forgetReceived, rememberReceived } from './secrets.ts'

/** A request that an upstream received. The body is complete once the request has ended. */
export interface RecordedRequest {
  method: string
  url: string
  headers: IncomingHttpHeaders
  rawHeaders: string[]
  body: string
}

export interface Upstream { url: string, port: number, requests: RecordedRequest[] }

/**
 * Starts an HTTP server on a free loopback port that records its requests and answers `ok`, or as `listener` does. Ends with the
 * test.
 */
export async function startUpstream (t: Test, listener: RequestListener = answerOk): Promise<Upstream> {
  const requests: RecordedRequest[] = []
  const server = createServer((request, response) => {
    const recorded = record(request)
    requests.push(recorded)
    rememberReceived(request.socket.localPort, recorded)
    listener(request, response)
  })
  const port = await listen(t, server, () => { server.closeAllConnections() })
  return { url: `http://127.0.0.1:${port}`, port, requests }
}

/** Starts a bare TCP server for upstreams that violate HTTP. It records everything it receives, one string a connection. */
export async function startRawUpstream (t: Test, onData: (socket: Socket, sent: string) => void): Promise<{ url: string, connections: string[], ended: () => number }> {
  const connections: string[] = []
  const sockets = new Set<Socket>()
  let ended = 0
  const server = createSocketServer(socket => {
    const index = connections.push('') - 1
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => { ended++ })
    socket.on('data', chunk => {
      connections[index] += chunk.toString('latin1')
      onData(socket, connections[index]!)
    })
  })
  const port = await listen(t, server, () => { for (const socket of sockets) socket.destroy() })
  return { url: `http://127.0.0.1:${port}`, connections, ended: () => ended }
}

function record (request: IncomingMessage): RecordedRequest {
  const recorded: RecordedRequest = { method: request.method!, url: request.url!, headers: request.headers, rawHeaders: request.rawHeaders, body: '' }
  if (request.headers['content-type'] !== 'application/octet-stream') request.on('data', chunk => { recorded.body += String(chunk) })
  return recorded
}

function answerOk (request: IncomingMessage, response: ServerResponse): void {
  request.on('end', () => { response.end('ok') })
  request.resume()
}

async function listen (t: Test, server: Server, endConnections: () => void): Promise<number> {
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => new Promise(resolve => {
    server.close(resolve)
    endConnections()
  }))
  const { port } = server.address() as AddressInfo
  forgetReceived(port)
  return port
}
