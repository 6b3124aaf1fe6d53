import { createServer as createHttpServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { hasBody } from './body.ts'
import { Pipeline } from './pipeline.ts'
import { resetStalled } from './stalls.ts'
import { createTlsServer } from './tls-server.ts'

export interface HttpServerOptions {
  headersBytes: number
  headersTimeoutMs: number
  clientTimeoutMs: number
  keepAliveMs: number
  tls?: { cert: string | Buffer, key: string | Buffer } | undefined
}

const made = new WeakSet<object>()

/** First server of each application. Fastify creates others for further addresses of one host, and sends their upgrades to the first. */
const mains = new WeakMap<RequestListener, Server>()

/** Returns whether `createServer` created the HTTP server of the application. */
export function hasServerOptions (fastify: FastifyInstance): boolean {
  return made.has(fastify.server)
}

export function createServer (options: HttpServerOptions, handler: RequestListener): Server {
  const settings: ServerOptions = {
    // The gateway responds with problems, because Node's own responses have no body.
    requireHostHeader: false,
    maxHeaderSize: options.headersBytes,
    headersTimeout: options.headersTimeoutMs,
    // A limit on the whole request would end slow but steady uploads. The reader of a body limits its idle time.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.max(10, Math.min(5000, options.headersTimeoutMs / 4)),
    keepAliveTimeout: options.keepAliveMs,
    // optimizeEmptyRequests is not set: a request with Content-Type and without a body would end before Fastify listens, and hang.
    shouldUpgradeCallback: request => canUpgrade(request, mains.get(handler))
  }
  const pipeline = new Pipeline({ headersTimeoutMs: options.headersTimeoutMs })
  const inTurn = pipeline.inTurn(handler)
  const server = options.tls === undefined ? createHttpServer(settings, inTurn) : createTlsServer({ ...settings, cert: options.tls.cert, key: options.tls.key }, inTurn)
  if (!mains.has(handler)) mains.set(handler, server)
  resetStalled(server, options.clientTimeoutMs)
  server.on('checkContinue', pipeline.inTurn((request, response) => { continueOnDemand(request, response, handler) }))
  // The server may ignore an expectation that it does not know (RFC 9110, section 10.1.1).
  server.on('checkExpectation', inTurn)
  made.add(server)
  return server
}

/**
 * Returns whether a request may be upgraded: to WebSocket only, and only if there is a listener. `Upgrade: h2c` and others continue as
 * HTTP. So do requests after which the owner of the next bytes is not certain: one with a body, and one that arrived while another was
 * being answered.
 */
function canUpgrade (request: IncomingMessage, server: Server | undefined): boolean {
  const { headers, method, httpVersionMinor, socket } = request
  if (server === undefined || server.listenerCount('upgrade') === 0 || method !== 'GET' || httpVersionMinor === 0) return false
  return headers.upgrade?.toLowerCase() === 'websocket' && !hasBody(request) && !isBusy(socket)
}

function isBusy (socket: Socket & { _httpMessage?: ServerResponse | null }): boolean {
  return socket._httpMessage !== null && socket._httpMessage !== undefined
}

/**
 * Sends `100 Continue` when the body is first read: after authentication, and never for a rejected request. A rejected client may or may
 * not send the body (RFC 9110, section 10.1.1), which could not be distinguished from a next request, so the connection ends.
 */
function continueOnDemand (request: IncomingMessage, response: ServerResponse, handler: RequestListener): void {
  const read = request._read
  response.setHeader('connection', 'close')
  request._read = function readAfterContinue (size) {
    request._read = read
    if (!response.headersSent && !response.destroyed) {
      response.removeHeader('connection')
      response.writeContinue()
    }
    read.call(request, size)
  }
  handler(request, response)
}
