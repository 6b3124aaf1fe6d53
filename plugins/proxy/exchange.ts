import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import { UpstreamBusyError, UpstreamTimeoutError } from '../../lib/errors.ts'
import type { Identity } from '../../lib/identity.ts'
import { hasAddresses, mapToUpstream } from '../../lib/proxy/public-address.ts'
import { formatRequest, requestHeaders } from '../../lib/proxy/request-head.ts'
import { collectHeaders } from '../../lib/proxy/response-head.ts'
import { isEventStream } from '../../lib/proxy/response-headers.ts'
import { endEmpty, hasBody, smallBodyBytes } from '../server/body.ts'
import { flushHead, isUnsent } from '../server/head.ts'
import { bytesTaken, cutResponse } from '../server/stalls.ts'
import { pendingUpgrade, type PendingUpgrade } from '../server/upgrades.ts'
import type { Stream, StreamEnd } from '../streams/registry.ts'
import { Attempts } from './attempts.ts'
import type { Connection, ConnectionTarget, UpstreamRequest } from './connection.ts'
import { observeError } from './hooks.ts'
import { openTunnel } from './open-tunnel.ts'
import { Pace } from './pace.ts'
import { ResponseHold } from './response-hold.ts'
import { returnedHeaders } from './returned-headers.ts'
import type { Tunnel } from './tunnel.ts'
import { Upload } from './upload.ts'
import { everyTargetIsDown, failureOf, report, tooSlow, type Upstream } from './upstream.ts'

const exchangeOf = Symbol('exchange')

type Response = ServerResponse & { [exchangeOf]?: Exchange | null }

/**
 * One request to an upstream and its response, passed from the connection directly to the raw response. Failures before the upstream's
 * headers go to the error handler; afterwards the reply is hijacked and a failure ends the connection. Listeners are shared functions that
 * find the exchange on the response, so that the common path creates no closures.
 */
export class Exchange implements UpstreamRequest, Stream {
  readonly identity: Identity | null
  readonly request: FastifyRequest
  readonly startedAtMs = performance.now()
  youngAt = -1
  readonly method: string
  connection: Connection | null = null
  readonly #upstream: Upstream
  readonly #reply: FastifyReply
  readonly #response: Response
  readonly #done: HookHandlerDoneFunction
  #path = ''
  #headers: string[] = []
  #upload: Upload | null = null
  /** Timer of the wait for a connection to the upstream. */
  #waiting: NodeJS.Timeout | null = null
  /** True once the error handler was called or the client has disconnected. Later events are ignored. */
  #over = false
  #answering = false
  /** Number of bytes of the response's body that have arrived. */
  #received = 0
  /** Number of bytes that had passed when the transfer was last looked at. */
  #passed = 0
  /** Head of the upstream's response, until the client's response begins with it. */
  #head: { status: number, pairs: string[] } | null = null
  /** Content-Length of the upstream's response. */
  #contentLength: number | null = null
  #body: string | null = null
  #hold: ResponseHold | null = null
  /** Pace of the client, while others wait for the connection. */
  #pace: Pace | null = null
  #attempts: Attempts | null = null
  #isEventStream = false
  #upgrade: PendingUpgrade | null = null
  #tunnel: Tunnel | null = null
  /** The target to which the request was last sent. */
  #target: ConnectionTarget | null = null

  constructor (upstream: Upstream, request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) {
    this.#upstream = upstream
    this.request = request
    this.method = request.raw.method!
    this.#reply = reply
    this.#response = reply.raw
    this.#done = done
    this.identity = upstream.streams === null ? null : request.identityOrNull
    upstream.counter.inFlight++
    upstream.streams?.add(this)
    this.#response[exchangeOf] = this
    this.#response.on('close', onClose)
    this.#response.on('error', ignore)
  }

  get isUpgrade (): boolean { return this.#upgrade !== null }

  /** Sends the request to `path`, with the client's headers that the header policy keeps, followed by `ours`. */
  forward (path: string, ours: readonly string[]): void {
    if (this.#over) return
    const { raw } = this.request
    const upstream = this.#upstream
    this.#path = path
    this.#headers = requestHeaders(raw.headers, ours, upstream)
    if (hasBody(raw)) this.#upload = new Upload(raw, this.#response)
    if (upstream.websocket) this.#upgrade = pendingUpgrade(raw)
    this.#ask()
  }

  /** Sends the request on the connection that it has received. */
  onConnection (connection: Connection): void {
    this.#stopWaiting()
    this.#target = connection.target
    const { method, isUpgrade } = this
    const { authority, tls } = connection.target
    const { host = authority, place } = this.#upstream
    const headers = place === null || !hasAddresses(this.request.raw.headers) ? this.#headers : mapToUpstream(this.#headers, place, `${tls === null ? 'http' : 'https'}://${host}`)
    const { text, isChunked } = formatRequest({ method, isUpgrade, path: this.#path, host, headers, hasBody: this.#upload !== null })
    connection.send(text)
    this.#upload?.start(connection, { isChunked })
  }

  /** Ends the exchange before any response. */
  fail (error: Error): void {
    if (this.#over) return
    this.#over = true
    this.#leave()
    this.#upload?.stop()
    observeError(this.#upstream.hooks, this.request, error)
    this.#done(error)
  }

  /** Rejects the request before anything was sent. It then counts as no exchange, like a request that an earlier hook rejects. */
  refuse (error: Error): void {
    if (this.#over) return
    this.#over = true
    this.#upstream.counter.inFlight--
    this.#upstream.streams?.delete(this)
    this.#response[exchangeOf] = null
    this.#done(error)
  }

  onResponseHead (status: number, pairs: string[], length: number | null): void {
    if (this.#over) return
    this.#head = { status, pairs }
    this.#contentLength = length
  }

  onResponseData (bytes: Buffer, mayKeep: boolean): boolean {
    if (this.#over) return true
    this.#answer()
    this.#received += bytes.length
    if (bytes.length === this.#contentLength && bytes.length <= smallBodyBytes) {
      // These bytes are the whole body; its end follows at once.
      this.#body = bytes.toString('latin1')
      return true
    }
    if (this.#response.write(mayKeep ? bytes : Buffer.from(bytes)) || !isUnsent(this.#response)) return true
    this.#hold ??= new ResponseHold(this.#response, this.#upstream.clientTimeoutMs, () => { this.connection?.resume() })
    this.#hold.begin()
    return false
  }

  isUsingData (): boolean { return isUnsent(this.#response) }

  /** Sends the head of server-sent events and slow bodies at once. If the body is already present, the head needs no separate write. */
  onResponsePart (): void {
    if (!this.#over) this.#answer()
    if (this.#answering && this.#received === 0 && !this.#over && !this.#response.writableEnded) flushHead(this.#response)
  }

  onResponseEnd (): boolean {
    this.#stopWaiting()
    if (!this.#over) {
      this.#answer()
      if (this.#upload === null) endEmpty(this.request.raw)
      if (this.#body === null) this.#response.end()
      else this.#response.end(this.#body, 'latin1')
    }
    if (this.#upload === null || this.#upload.isComplete) return true
    this.#upload.stop()
    return false
  }

  onUpgrade (status: number, pairs: string[], socket: Duplex): void {
    socket.on('error', ignore)
    try {
      if (!this.#over) this.#open(status, collectHeaders(pairs), socket)
    } catch (error) {
      this.fail(error as Error)
    }
    if (this.#tunnel === null) socket.destroy()
  }

  onDrain (): void {
    this.#upload?.resume()
  }

  onBodyRefused (): void {
    this.#upload?.stop()
  }

  onFailure (error: Error, connection: Connection): void {
    if (this.#over || (!this.#answering && this.#retry(connection))) return
    this.#stopWaiting()
    this.#break(failureOf(error, connection))
  }

  onStall (): void {
    this.#break(this.#upload?.isAwaitingClient === true ? tooSlow() : new UpstreamTimeoutError())
  }

  /** Ends a request whose client sends or reads so slowly that it holds the connection instead of using it. */
  onOthersWait (): boolean {
    const isSending = this.#upload?.isAwaitingClient === true
    if (!isSending && this.connection?.isPaused !== true) return false
    this.#pace ??= new Pace(this.#upstream.timeoutMs)
    if (!(isSending ? this.#pace.isSlow('sending', this.#upload!.bytes) : this.#pace.isSlow('reading', bytesTaken(this.#response.socket)))) return false
    this.#break(tooSlow())
    return true
  }

  onTargetsDown (): void {
    this.fail(everyTargetIsDown())
  }

  moves (): boolean {
    const passed = this.#received + (this.#upload?.bytes ?? 0)
    const hasMoved = passed !== this.#passed && !this.#isEventStream
    this.#passed = passed
    return hasMoved
  }

  end (reason: StreamEnd): void {
    if (this.#tunnel !== null) this.#tunnel.close(reason)
    else if (reason === 'revoked' || this.#isEventStream) cutResponse(this.#response)
  }

  close (): void {
    this.#upstream.counter.inFlight--
    this.#upstream.streams?.delete(this)
    this.#over = true
    this.#leave()
    const status = this.#response.headersSent ? this.#response.statusCode : 499
    // The duration of a WebSocket is no measure of the upstream's speed.
    report(this.#upstream, { request: this.request, method: this.method, status, durationMs: performance.now() - this.startedAtMs, isTimed: this.#tunnel === null, bytes: this.#received, target: this.#target })
  }

  /**
   * Begins the client's response, once. It waits until everything that came with the head was read, so that a malformed body in the same
   * packet is still an error that the client receives.
   */
  #answer (): void {
    if (this.#head === null) return
    const { status, pairs } = this.#head
    this.#head = null
    const headers = collectHeaders(pairs)
    // An exception here is still reported as an error; after hijack() the client would keep waiting.
    this.#response.writeHead(status, returnedHeaders(headers, status, this.request, this.#reply, this.#upstream))
    this.#reply.hijack()
    this.#answering = true
    if (!isEventStream(headers)) return
    this.#isEventStream = true
    this.#upstream.streams?.keep(this)
  }

  #open (status: number, headers: IncomingHttpHeaders, socket: Duplex): void {
    const tunnel = openTunnel({ upgrade: this.#upgrade!, request: this.request, reply: this.#reply, upstream: this.#upstream }, { status, headers, socket }, () => { this.close() })
    this.#over = true
    this.#tunnel = tunnel
    this.#upstream.streams?.keep(this)
  }

  /** Ends the exchange because of an error: the client receives it, or the response that has begun is cut. */
  #break (error: Error): void {
    if (this.#over) return
    if (!this.#answering) return this.fail(error)
    this.#over = true
    observeError(this.#upstream.hooks, this.request, error)
    cutResponse(this.#response)
  }

  #stopWaiting (): void {
    this.#hold?.end()
    if (this.#waiting !== null) clearTimeout(this.#waiting)
    this.#waiting = null
  }

  /** Leaves the queue or the connection, if there is one. */
  #leave (): void {
    this.#stopWaiting()
    if (this.connection === null) this.#upstream.pool.leave(this)
    else this.connection.abandon()
  }

  /** Sends the request again if that is certainly harmless. Returns false if it is not, or if there is no other target. */
  #retry (connection: Connection): boolean {
    this.#attempts ??= new Attempts()
    const next = this.#attempts.after(connection, { method: this.method, hasBody: this.#upload !== null })
    return next !== null && this.#ask(next === 'elsewhere' ? this.#attempts.tried : undefined)
  }

  /** Asks for a connection. Returns false if there is no target that was not tried. */
  #ask (tried?: readonly ConnectionTarget[]): boolean {
    const outcome = this.#upstream.pool.request(this, tried)
    if (outcome === 'down' && tried !== undefined) return false
    if (outcome === 'full') this.fail(new UpstreamBusyError())
    else if (outcome === 'down') this.fail(everyTargetIsDown())
    else if (outcome === 'waiting') this.#waiting = setTimeout(onWaitedTooLong, this.#upstream.timeoutMs, this)
    return true
  }
}

function onClose (this: Response): void {
  this[exchangeOf]?.close()
}

function onWaitedTooLong (exchange: Exchange): void {
  exchange.fail(new UpstreamTimeoutError())
}

function ignore (): void {}
