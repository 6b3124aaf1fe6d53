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

/** The first server of each application; Fastify makes others for further addresses of one host, and sends their upgrades to it. */
const mains = new WeakMap<RequestListener, Server>()

/** Whether this server's HTTP side is ours. */
export function hasServerOptions (fastify: FastifyInstance): boolean {
  return made.has(fastify.server)
}

export function createServer (options: HttpServerOptions, handler: RequestListener): Server {
  const settings: ServerOptions = {
    // Answered as problems by us, where Node's own answers have no body.
    requireHostHeader: false,
    maxHeaderSize: options.headersBytes,
    headersTimeout: options.headersTimeoutMs,
    // A limit on the whole request would cut slow but steady uploads; idle bodies are the business of whoever reads them.
    requestTimeout: 0,
    connectionsCheckingInterval: Math.max(10, Math.min(5000, options.headersTimeoutMs / 4)),
    keepAliveTimeout: options.keepAliveMs,
    // Not optimizeEmptyRequests: a request with Content-Type and without a body would have ended before Fastify listens, and hang.
    shouldUpgradeCallback: request => canUpgrade(request, mains.get(handler))
  }
  const pipeline = new Pipeline({ headersTimeoutMs: options.headersTimeoutMs })
  const inTurn = pipeline.inTurn(handler)
  const server = options.tls === undefined ? createHttpServer(settings, inTurn) : createTlsServer({ ...settings, cert: options.tls.cert, key: options.tls.key }, inTurn)
  if (!mains.has(handler)) mains.set(handler, server)
  resetStalled(server, options.clientTimeoutMs)
  server.on('checkContinue', pipeline.inTurn((request, response) => { continueOnDemand(request, response, handler) }))
  // An expectation that we do not know: the server may ignore it (RFC 9110, section 10.1.1).
  server.on('checkExpectation', inTurn)
  made.add(server)
  return server
}

/**
 * WebSocket alone, and only when somebody listens: `Upgrade: h2c` and the like go on as HTTP. So does what would leave it open
 * whose the next bytes are: a request with a body, and one that came while another was being answered.
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
 * `100 Continue` goes out when the body is first read: after authentication, and never for a request that is refused.
 * A refused client may send the body or not (RFC 9110, section 10.1.1), and nobody could tell that body from a next request:
 * so the connection ends.
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
