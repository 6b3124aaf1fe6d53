import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

const queueOf = Symbol('queue')

/** Node's own links from a connection to its parser and to the current response. */
interface HttpSocket extends Socket {
  parser?: { onIncoming: ((request: IncomingMessage, keepAlive: boolean) => number) | null } | null
  _httpMessage?: LinkedResponse | null
  [queueOf]?: Queue
}

/** A response with Node's own mark that the connection ends with it. */
type LinkedResponse = ServerResponse & { _last?: boolean }

export interface PipelineOptions {
  /** Maximum time for a request head to arrive once its connection is read again. */
  headersTimeoutMs: number
  /** Maximum number of requests that wait behind others, for all connections of the server together. */
  waiting?: number
}

/** A waiting request takes about 5 kB. One connection alone never reaches this limit: a chunk of 64 KiB holds 3640 requests at most. */
const defaultWaiting = 8192

/** Time for which an ending connection is still read, so that unread data does not reset it and lose the last response. */
const lingerMs = 1000

/**
 * Processes one request of each connection at a time. Node parses all requests of a chunk at once and emits each of them. A request whose
 * response is not the next to be written waits, and its connection is not read until the last waiting request has started.
 */
export class Pipeline {
  readonly #headersTimeoutMs: number
  readonly #mostWaiting: number
  #waiting = 0

  constructor ({ headersTimeoutMs, waiting = defaultWaiting }: PipelineOptions) {
    this.#headersTimeoutMs = headersTimeoutMs
    this.#mostWaiting = waiting
  }

  /**
   * Returns a listener that is called when it is the request's turn: at once, unless the request arrived before the last response was
   * written.
   */
  inTurn (listener: RequestListener): RequestListener {
    return (request, response) => {
      if (response.socket !== null) listener(request, response)
      else this.#wait(request, response, listener)
    }
  }

  #wait (request: IncomingMessage, response: ServerResponse, listener: RequestListener): void {
    const socket: HttpSocket = request.socket
    const queue = socket[queueOf] ??= new Queue(socket, this.#headersTimeoutMs, left => { this.#waiting -= left })
    if (this.#waiting >= this.#mostWaiting) return queue.seal()
    this.#waiting++
    queue.add(response)
    response.once('socket', () => {
      // Every turn of the event loop starts one request of each connection, however many were read.
      setImmediate(() => {
        if (socket.destroyed) return
        this.#waiting--
        queue.remove()
        listener(request, response)
      })
    })
  }
}

/**
 * Handles an error of the HTTP parser on a connection with waiting requests. It concerns the data after them, and is never the response to
 * the current request. Returns true if there is nothing left to do.
 */
export function settleParserError (code: string | undefined, socket: Socket): boolean {
  return (socket as HttpSocket)[queueOf]?.settle(code) ?? false
}

/** The waiting requests of one connection, and the connection while they wait. */
class Queue {
  readonly #socket: HttpSocket
  readonly #headersTimeoutMs: number
  #waiting = 0
  #last: LinkedResponse | null = null
  #isSealed = false
  #isParting = false
  #isLate = false
  #readSinceMs = 0
  #timer: NodeJS.Timeout | null = null

  constructor (socket: HttpSocket, headersTimeoutMs: number, onClose: (left: number) => void) {
    this.#socket = socket
    this.#headersTimeoutMs = headersTimeoutMs
    socket.destroySoon = () => { this.#linger() }
    // Node emits this event later than it resumes, and then reads on, even if the connection was paused meanwhile.
    socket.on('resume', () => { if (this.#isHeld) socket.emit('pause') })
    socket.once('close', () => {
      this.#stopTimer()
      onClose(this.#waiting)
    })
  }

  get #isHeld (): boolean { return Object.hasOwn(this.#socket, 'resume') }

  add (response: ServerResponse): void {
    this.#waiting++
    this.#last = response
    this.#hold()
  }

  remove (): void {
    this.#waiting--
    if (this.#waiting === 0 && !this.#isSealed) this.#release()
  }

  /**
   * Discards all further data of this connection, which ends with the response to the last request that was kept. The client learns from it
   * which requests to repeat (RFC 9112, section 9.3.2).
   */
  seal (): void {
    this.#isSealed = true
    this.#hold()
    if (this.#socket.parser != null) this.#socket.parser.onIncoming = ignore
    const last = this.#waiting === 0 ? this.#socket._httpMessage : this.#last
    if (last == null) return
    if (!last.headersSent) last.shouldKeepAlive = false
    last._last = true
  }

  settle (code: string | undefined): boolean {
    if (this.#isSealed) return true
    if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return this.#excuseHead()
    if (this.#waiting === 0) return false
    this.seal()
    return true
  }

  /** Restarts the time limit of a head whose rest was not read, when reading resumes. Node does not check that head again. */
  #excuseHead (): boolean {
    this.#isLate = this.#isHeld
    if (this.#isLate) return true
    const leftMs = this.#readSinceMs + this.#headersTimeoutMs - performance.now()
    if (leftMs <= 0) return false
    this.#expectHead(leftMs)
    return true
  }

  #expectHead (withinMs: number): void {
    const { parser, server } = this.#socket as HttpSocket & { server?: NodeJS.EventEmitter }
    const onIncoming = parser?.onIncoming
    if (parser == null || onIncoming == null) return
    parser.onIncoming = (request, keepAlive) => {
      this.#stopTimer()
      parser.onIncoming = onIncoming
      return onIncoming(request, keepAlive)
    }
    this.#timer = setTimeout(() => {
      server?.emit('clientError', Object.assign(new Error('Request timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), this.#socket)
    }, withinMs)
  }

  /** Blocks every attempt to resume reading the connection, such as Node's own for bodies and after each drain. */
  #hold (): void {
    if (this.#isHeld) return
    const socket = this.#socket
    socket.resume = () => socket
    socket.pause()
  }

  #release (): void {
    Reflect.deleteProperty(this.#socket, 'resume')
    this.#readSinceMs = performance.now()
    if (this.#isLate) this.#expectHead(this.#headersTimeoutMs)
    this.#isLate = false
    this.#socket.resume()
  }

  #linger (): void {
    const socket = this.#socket
    if (this.#isParting) return
    this.#isParting = true
    this.#stopTimer()
    if (socket.parser != null) socket.parser.onIncoming = ignore
    socket.end()
    Reflect.deleteProperty(socket, 'resume')
    socket.resume()
    this.#timer = setTimeout(() => { socket.destroy() }, lingerMs)
  }

  #stopTimer (): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }
}

function ignore (): number { return 0 }
