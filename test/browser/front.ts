import { request as send, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { connect, type AddressInfo, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import { makeCertificate, type Certificate } from '../helpers/certificate.ts'

/** What a browser has sent, and what it was answered, once it was. */
export interface SeenRequest {
  method: string
  url: string
  headers: IncomingHttpHeaders
  status?: number
}

/**
 * What the network does to a request: it never arrives, its answer never comes back, or is late. What is lost has its
 * connection cut in the middle of an answer, which no browser repeats by itself.
 */
export type Mishap = 'request lost' | 'answer lost' | { holdAnswer: Promise<unknown> }

export interface Front {
  /** What browsers see. */
  origin: string
  requests: SeenRequest[]
  /** Where requests go, as http://host:port. To be set before the first one. */
  target: string
  /** What happens to each request; by default nothing. */
  mishap: (request: SeenRequest) => Mishap | null
  /** Those of one method and path, without the query. */
  seen (method: string, path: string): SeenRequest[]
}

/** Ends TLS for a gateway as a load balancer does, and loses or holds what it is told to. Ends with the test. */
export async function startFront (t: Test, authority: Certificate, name: string): Promise<Front> {
  const requests: SeenRequest[] = []
  const front: Front = {
    origin: '',
    requests,
    target: '',
    mishap: () => null,
    seen: (method, path) => requests.filter(request => request.method === method && request.url.split('?')[0] === path)
  }
  const server = createServer(makeCertificate({ authority, names: [name] }), (request, response) => {
    forward(front, request, response).catch(() => { response.destroy() })
  })
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => { tunnel(front, request, socket, head) })
  front.origin = `https://${name}:${await listen(t, server)}`
  return front
}

/** Pages of another site. Ends with the test. */
export async function startSite (t: Test, authority: Certificate, name: string, html = '<!doctype html><title>A site</title>'): Promise<string> {
  const server = createServer(makeCertificate({ authority, names: [name] }), (request, response) => {
    request.resume()
    response.writeHead(200, { 'content-type': 'text/html' }).end(html)
  })
  return `https://${name}:${await listen(t, server)}`
}

async function forward (front: Front, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const seen = see(front, request)
  const mishap = front.mishap(seen)
  if (mishap === 'request lost') { cut(response); return }

  const forwarded = send(new URL(request.url!, front.target), { method: request.method, headers: request.rawHeaders })
  request.pipe(forwarded)
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    forwarded.once('response', resolve)
    forwarded.once('error', reject)
  })
  // A reader that goes away is gone for the gateway too.
  response.once('close', () => { answer.destroy() })
  seen.status = answer.statusCode!
  if (mishap === 'answer lost') { cut(response); return }
  if (mishap !== null && typeof mishap === 'object' && 'holdAnswer' in mishap) await mishap.holdAnswer
  response.writeHead(answer.statusCode!, answer.rawHeaders)
  answer.pipe(response)
}

/** On a connection that was used before, a browser repeats even a POST if it is closed without a byte. */
function cut (response: ServerResponse): void {
  response.socket?.write('HTTP/1.1 200 OK\r\ncontent-le', () => { response.destroy() })
}

function tunnel (front: Front, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  see(front, request)
  const { hostname, port } = new URL(front.target)
  const target: Socket = connect(Number(port), hostname, () => {
    const lines = request.rawHeaders.reduce((text, part, index) => text + (index % 2 === 0 ? `${part}: ` : `${part}\r\n`), '')
    target.write(`${request.method} ${request.url} HTTP/1.1\r\n${lines}\r\n`)
    target.write(head)
    target.pipe(socket).pipe(target)
  })
  for (const end of [socket, target]) end.on('error', () => { socket.destroy(); target.destroy() })
}

function see (front: Front, { method = '', url = '', headers }: IncomingMessage): SeenRequest {
  const seen: SeenRequest = { method, url, headers }
  front.requests.push(seen)
  return seen
}

async function listen (t: Test, server: Server): Promise<number> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => { sockets.delete(socket) })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => new Promise(resolve => {
    server.close(resolve)
    for (const socket of sockets) socket.destroy()
  }))
  return (server.address() as AddressInfo).port
}
