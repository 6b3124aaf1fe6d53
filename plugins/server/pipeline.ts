import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

const queueOf = Symbol('queue')

/** Node's own links from a connection to its parser and to the response under way. */
interface HttpSocket extends Socket {
  parser?: { onIncoming: ((request: IncomingMessage, keepAlive: boolean) => number) | null } | null
  _httpMessage?: LinkedResponse | null
  [queueOf]?: Queue
}

/** With Node's own note that the connection ends with this response. */
type LinkedResponse = ServerResponse & { _last?: boolean }

export interface PipelineOptions {
  /** How long a request head may take to arrive once its connection is read again. */
  headersTimeoutMs: number
  /** Requests that may wait behind others, of all connections of the server together. */
  waiting?: number
}

/** A waiting request is about 5 kB. One connection alone never reaches this: a chunk of 64 KiB holds 3640 requests at most. */
const defaultWaiting = 8192

/** How long a connection that ends goes on being read, so that what was unread does not reset it and take the last answer along. */
const lingerMs = 1000

/**
 * Keeps one request of each connection under way. Node parses all requests of a chunk at once and emits each of them: one whose
 * answer is not the next to be written waits here, and its connection is not read until the last of those that wait is under way.
 */
export class Pipeline {
  readonly #headersTimeoutMs: number
  readonly #mostWaiting: number
  #waiting = 0

  constructor ({ headersTimeoutMs, waiting = defaultWaiting }: PipelineOptions) {
    this.#headersTimeoutMs = headersTimeoutMs
    this.#mostWaiting = waiting
  }

  /** A listener that is called when it is the request's turn: at once, unless it came before the last answer was written. */
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
      // Every turn of the event loop takes one request of each connection, however many of them have been read.
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
 * Takes an error of the HTTP parser for what it is where requests wait: about what came behind them, and never the answer of the
 * request under way. True when nothing is left to be done about it.
 */
export function settleParserError (code: string | undefined, socket: Socket): boolean {
  return (socket as HttpSocket)[queueOf]?.settle(code) ?? false
}

/** The requests that wait on one connection, and the connection while they do. */
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
    // Node emits it later than it resumes, and reads on then, also when the connection was paused in between.
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
   * Keeps nothing more of this connection, which ends with the answer to the last request that was kept. The client knows by that
   * what to send again (RFC 9112, section 9.3.2).
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

  /** The time of a head whose rest was not read begins when it is. Node does not look at that head again. */
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

  /** Whatever wants to read the connection on, as Node does for bodies and after each drain, finds this in its way. */
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
