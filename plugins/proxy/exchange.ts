import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest, HookHandlerDoneFunction } from 'fastify'
import type { Dispatcher } from 'undici'
import { RequestInvalidError, UpstreamBusyError, UpstreamTimeoutError } from '../../lib/errors.ts'
import { withoutCors } from '../../lib/http/cors.ts'
import { isEventStream, requestHeaders, responseHeaders } from '../../lib/proxy/forwarding.ts'
import type { Identity } from '../../lib/identity.ts'
import { keepWithinPrefix } from '../../lib/proxy/own-prefix.ts'
import { keepForOwner } from '../../lib/proxy/private-cache.ts'
import { isAmbient } from '../authenticate/schemes.ts'
import { endEmpty, hasBody } from '../server/body.ts'
import { flushHead } from '../server/head.ts'
import { bytesTaken, reset } from '../server/stalls.ts'
import { pendingUpgrade, type PendingUpgrade } from '../server/upgrades.ts'
import type { Stream, StreamEnd } from '../streams/registry.ts'
import { endedUnheard } from './connector.ts'
import { checkAnswer } from './handshake.ts'
import type { Waiter } from './slots.ts'
import { Tunnel } from './tunnel.ts'
import { Upload } from './upload.ts'
import { failureOf, upstreamChannel, type Upstream, type UpstreamMessage } from './upstream.ts'

/** Maximum length of a body that is sent as one string with the headers, which Node writes without a vector of buffers. */
const smallBodyBytes = 8192

const exchangeOf = Symbol('exchange')

/** Close codes of WebSockets (RFC 6455, Defined Status Codes). */
const goingAway = 1001
const policyViolation = 1008

type Response = ServerResponse & { [exchangeOf]?: Exchange }

/**
 * One request to an upstream and its response, passed from undici's callbacks directly to the raw response. Failures before the upstream's
 * headers go to the error handler; afterwards the reply is hijacked and a failure ends the connection. Listeners are shared functions that
 * find the exchange on the response, so that the common path creates no closures.
 */
export class Exchange implements Dispatcher.DispatchHandler, Stream, Waiter {
  readonly identity: Identity | null
  readonly request: FastifyRequest
  readonly startedAtMs = performance.now()
  youngAt = -1
  readonly #upstream: Upstream
  readonly #reply: FastifyReply
  readonly #response: Response
  readonly #done: HookHandlerDoneFunction
  #options: Dispatcher.DispatchOptions | null = null
  #controller: Dispatcher.DispatchController | null = null
  /** Timer of the wait for a connection to the upstream, or for the client to accept more of the response. */
  #waiting: NodeJS.Timeout | null = null
  #slot: 'none' | 'waiting' | 'taken' = 'none'
  /** True once the error handler was called or the client has disconnected. Later events are ignored. */
  #over = false
  #answering = false
  #hasData = false
  /** Content-Length of the upstream's response; NaN if it is absent. */
  #contentLength = NaN
  #body: Buffer | null = null
  /** Number of bytes that the client had accepted when its response was last found full. */
  #taken = 0
  #drains = false
  #retried = false
  #isEventStream = false
  #upgrade: PendingUpgrade | null = null
  #tunnel: Tunnel | null = null

  constructor (upstream: Upstream, request: FastifyRequest, reply: FastifyReply, done: HookHandlerDoneFunction) {
    this.#upstream = upstream
    this.request = request
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

  /** Sends the request to `path`, with the client's headers that the header policy keeps, followed by `ours`. */
  forward (path: string, ours: readonly string[]): void {
    if (this.#over) return
    const { raw } = this.request
    const upstream = this.#upstream
    this.#options = {
      path,
      method: raw.method as Dispatcher.HttpMethod,
      headers: requestHeaders(raw.headers, ours, upstream),
      body: hasBody(raw) ? new Upload(raw, this.#response, upstream.timeoutMs) : null
    }
    if (upstream.websocket) this.#upgrade = pendingUpgrade(raw)
    if (this.#upgrade !== null) this.#options.upgrade = 'websocket'
    if (upstream.slots.take()) this.start()
    else if (upstream.slots.wait(this)) {
      this.#slot = 'waiting'
      this.#waiting = setTimeout(onWaitedTooLong, upstream.timeoutMs, this)
    } else this.fail(new UpstreamBusyError())
  }

  /** Starts the request at the upstream, in the slot that was taken for it. */
  start (): void {
    this.#slot = 'taken'
    this.#stopWaiting()
    this.#upstream.pool.dispatch(this.#options!, this)
  }

  /** Ends the exchange before any response. */
  fail (error: Error): void {
    if (this.#over) return
    this.#over = true
    this.#stopWaiting()
    this.#leaveSlotUnlessQueued()
    this.#done(error)
  }

  onRequestStart (controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#over) controller.abort(new Error('the client has gone away'))
  }

  onResponseStart (_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // Informational responses such as 103 are dropped, because not every client supports them.
    if (this.#over || status < 200) return
    // An exception here is still reported as an error; after hijack() the client would keep waiting.
    this.#response.writeHead(status, this.#returned(headers, status))
    this.#reply.hijack()
    this.#answering = true
    this.#contentLength = Number(headers['content-length'])
    process.nextTick(flushHeaders, this)
    if (!isEventStream(headers)) return
    this.#isEventStream = true
    this.#upstream.streams?.keep(this)
  }

  onRequestUpgrade (_controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders, socket: Duplex): void {
    socket.on('error', ignore)
    this.#leaveSlot()
    try {
      if (!this.#over) this.#open(this.#upgrade!, status, headers, socket)
    } catch (error) {
      this.fail(error as Error)
    }
    if (this.#tunnel === null) socket.destroy()
  }

  onResponseData (controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return
    this.#hasData = true
    if (chunk.length === this.#contentLength && chunk.length <= smallBodyBytes) {
      // The chunk is the whole body; its end follows at once.
      this.#body = chunk
      return
    }
    if (this.#response.write(chunk)) return
    controller.pause()
    this.#stopWaiting()
    this.#awaitClient()
    if (this.#drains) return
    this.#drains = true
    this.#response.on('drain', onDrain)
  }

  onResponseEnd (): void {
    this.#stopWaiting()
    this.#leaveSlot()
    if (this.#over) return
    if (this.#options!.body === null) endEmpty(this.request.raw)
    if (this.#body === null) this.#response.end()
    else this.#response.end(this.#body.toString('latin1'), 'latin1')
  }

  onResponseError (_controller: Dispatcher.DispatchController | null, error: Error & { code?: string }): void {
    if (!this.#over && !this.#answering && this.#mayRetry(error)) {
      this.#upstream.pool.dispatch(this.#options!, this)
      return
    }
    this.#leaveSlot()
    if (this.#over) return
    // The connection is destroyed, so that the client notices the incomplete response.
    if (this.#answering) this.#response.destroy()
    else this.fail(failureOf(error))
  }

  flushHeaders (): void {
    if (!this.#hasData && !this.#over && !this.#response.writableEnded) flushHead(this.#response)
  }

  resume (): void {
    this.#stopWaiting()
    this.#controller?.resume()
  }

  expireWaiting (): void {
    this.fail(new UpstreamTimeoutError())
  }

  expireStalled (): void {
    const { socket } = this.#response
    // A client can accept bytes without a drain event.
    if (bytesTaken(socket) !== this.#taken) return this.#awaitClient()
    if (socket !== null) reset(socket)
    this.#response.destroy()
  }

  end (reason: StreamEnd): void {
    if (this.#tunnel !== null) this.#tunnel.close(reason === 'revoked' ? policyViolation : goingAway)
    else if (reason === 'revoked' || this.#isEventStream) this.#response.destroy()
  }

  close (): void {
    this.#upstream.counter.inFlight--
    this.#upstream.streams?.delete(this)
    this.#stopWaiting()
    const ended = this.#over || this.#response.writableEnded
    this.#over = true
    if (!ended) this.#controller?.abort(new Error('the client has gone away'))
    this.#leaveSlotUnlessQueued()
    this.#report()
  }

  #open (upgrade: PendingUpgrade, status: number, headers: IncomingHttpHeaders, socket: Duplex): void {
    if (upgrade.hasEarlyBytes) throw new RequestInvalidError()
    const ours = checkAnswer(this.request.raw, status, headers)
    this.#response.writeHead(status, [...this.#returned(headers, status), ...ours])
    this.#reply.hijack()
    flushHead(this.#response)
    const client = upgrade.take()
    this.#response.detachSocket(client)
    this.#over = true
    const { clientTimeoutMs, timeoutMs, streams } = this.#upstream
    this.#tunnel = new Tunnel(client, socket, { clientTimeoutMs, timeoutMs, onClose: () => { this.close() } })
    streams?.keep(this)
  }

  #awaitClient (): void {
    this.#taken = bytesTaken(this.#response.socket)
    this.#waiting = setTimeout(onStalled, this.#upstream.clientTimeoutMs, this)
  }

  /** Returns the headers of the client's response, also of a WebSocket handshake. */
  #returned (headers: IncomingHttpHeaders, status: number): Array<string | string[]> {
    const ours = this.#reply.getHeaders()
    if (isAmbient(this.request.identityOrNull?.credential)) keepForOwner(headers)
    keepWithinPrefix(headers, this.request.raw.url!, this.#upstream)
    return responseHeaders(this.#upstream.stripCors ? withoutCors(headers, ours) : headers, status, ours, this.#upstream.ownCookies)
  }

  #stopWaiting (): void {
    if (this.#waiting !== null) clearTimeout(this.#waiting)
    this.#waiting = null
  }

  /**
   * Frees the slot unless undici still queues the request. That queue is unbounded: a dispatched request stays in it until a connection is
   * available or fails, and is then aborted and frees its slot. The queue therefore never holds more requests than there are slots.
   */
  #leaveSlotUnlessQueued (): void {
    if (this.#slot !== 'taken' || this.#controller !== null) this.#leaveSlot()
  }

  #leaveSlot (): void {
    const slot = this.#slot
    this.#slot = 'none'
    if (slot === 'taken') this.#upstream.slots.free()
    else if (slot === 'waiting') this.#upstream.slots.leave(this)
  }

  /** Returns whether to retry: only once, if repeating the request is harmless and no part of a response, not even a 103, has arrived. */
  #mayRetry (error: Error): boolean {
    const { method, body } = this.#options!
    if (this.#retried || body !== null || (method !== 'GET' && method !== 'HEAD')) return false
    this.#retried = true
    return endedUnheard(error)
  }

  #report (): void {
    const { prefix, counts } = this.#upstream
    const status = this.#response.headersSent ? this.#response.statusCode : 499
    const durationMs = performance.now() - this.startedAtMs
    // The duration of a WebSocket is no measure of the upstream's speed.
    counts.add(status, this.#tunnel === null ? durationMs / 1000 : null)
    if (!upstreamChannel.hasSubscribers) return
    const message: UpstreamMessage = { upstream: prefix, method: this.request.method, status, durationMs }
    upstreamChannel.publish(message)
  }
}

function onClose (this: Response): void {
  this[exchangeOf]?.close()
}

function onDrain (this: Response): void {
  this[exchangeOf]?.resume()
}

/** Sends the headers of server-sent events and slow bodies at once. If the body is already present, they need no separate write. */
function flushHeaders (exchange: Exchange): void {
  exchange.flushHeaders()
}

function onWaitedTooLong (exchange: Exchange): void {
  exchange.expireWaiting()
}

function onStalled (exchange: Exchange): void {
  exchange.expireStalled()
}

function ignore (): void {}
