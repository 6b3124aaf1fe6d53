import { connect, type AddressInfo, type Socket } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import type { Test } from 'tap'
import errors from '../../plugins/errors.ts'
import proxy, { type ProxyOptions } from '../../plugins/proxy.ts'
import { serverOptions, type ServerOptions } from '../../plugins/server-options.ts'

export interface Gateway { app: FastifyInstance, port: number, url: string, counter: { inFlight: number } }

/** Starts a server that has only proxies, on a free loopback port. Ends with the test. */
export async function startProxy (t: Test, upstreams: Array<Partial<ProxyOptions>>, server: ServerOptions = {}): Promise<Gateway> {
  const app = Fastify(serverOptions(server))
  const counter = { inFlight: 0 }
  await app.register(errors)
  for (const upstream of upstreams) {
    await app.register(proxy, { prefix: '/', origin: 'https://app.example.com', timeout: 5000, counter, ...upstream })
  }
  await app.listen({ port: 0, host: '127.0.0.1' })
  t.teardown(async () => {
    app.server.closeAllConnections()
    await app.close()
  })
  const { port } = app.server.address() as AddressInfo
  return { app, port, url: `http://127.0.0.1:${port}`, counter }
}

export interface RawClient {
  socket: Socket
  /** Returns everything received so far. */
  received: () => string
  /** Resolves when the received text matches. */
  until: (pattern: RegExp) => Promise<string>
  /** Resolves to everything received when the connection has ended. */
  ended: Promise<string>
}

/** Sends raw bytes, such as requests that HTTP clients refuse to send, and shows the raw answers. */
export function sendRaw (t: Test, port: number, bytes: string): RawClient {
  let received = ''
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => { socket.destroy() })
  socket.setEncoding('latin1')
  socket.on('error', () => {})
  socket.on('data', chunk => { received += String(chunk) })
  if (bytes !== '') socket.write(bytes, 'latin1')
  const ended = new Promise<string>(resolve => { socket.on('close', () => { resolve(received) }) })
  const until = (pattern: RegExp) => new Promise<string>((resolve, reject) => {
    const check = () => { if (pattern.test(received)) resolve(received) }
    check()
    socket.on('data', check)
    socket.on('close', () => { reject(new Error(`ended before ${String(pattern)}: ${received}`)) })
  })
  return { socket, received: () => received, until, ended }
}

/** Resolves when `predicate` holds, which an event of the event loop is about to cause. */
export async function eventually (predicate: () => boolean): Promise<void> {
  while (!predicate()) await new Promise(resolve => { setTimeout(resolve, 5) })
}
