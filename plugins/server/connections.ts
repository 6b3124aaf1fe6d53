import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Node's own links from a connection to its parser and to the current response. */
type HttpSocket = Socket & { parser?: object | null, _httpMessage?: ServerResponse | null }

interface Heard { bytes: number, atMs: number }

/** Time of silence after which a client most likely has no request in transit. */
const quietMs = 1000
const lookEveryMs = 50
/**
 * Limits after which further new connections are no longer accepted: this time, and as many turns as Node lets the system queue
 * connections.
 */
const takingMs = 1000
const queuedConnections = 511

/**
 * The connections of a server, and their closing. Closing a connection loses the request in transit on it, and the client cannot know its
 * outcome. Every response therefore carries `Connection: close`, and only connections that have been silent for a while are closed; Node's
 * own `close()` closes every connection that is between two requests.
 */
export class Connections {
  readonly #server: Server
  readonly #open = new Map<HttpSocket, Heard>()
  /** Number of connections that were cut after the timeout. */
  cut = 0

  constructor (server: Server) {
    this.#server = server
    const add = (socket: HttpSocket): void => {
      this.#open.set(socket, { bytes: 0, atMs: performance.now() })
      socket.once('close', () => { this.#open.delete(socket) })
    }
    server.on('connection', add)
    // TLS connections are added twice, so that a handshake without an end is cut too.
    server.on('secureConnection', add)
  }

  /** Number of requests in flight. */
  get busy (): number {
    let busy = 0
    for (const { _httpMessage: response } of this.#open.keys()) if (response != null) busy++
    return busy
  }

  /** Closes silent connections once the delay is over, and all remaining ones after the timeout. The owner closes the server. */
  async part (delay: Promise<unknown>, timeoutMs: number): Promise<void> {
    let mayClose = false
    this.#server.closeIdleConnections = () => {}
    this.#tellToLetGo()
    const looking = setInterval(() => {
      // Data that has arrived is read before the end of this turn, so a connection without data is then silent.
      setImmediate(() => { this.#look(mayClose) })
    }, lookEveryMs)
    await delay
    mayClose = true
    const cutting = setTimeout(() => { this.#cut() }, timeoutMs)
    const stop = (): void => {
      clearInterval(looking)
      clearTimeout(cutting)
    }
    if (!this.#server.listening) return stop()
    this.#server.once('close', stop)
    await this.#stopListening()
  }

  /** Adds `Connection: close` to the responses of requests in flight and of later ones, also of those that are rejected before routing. */
  #tellToLetGo (): void {
    this.#server.prependListener('request', (_request, response: ServerResponse) => { response.shouldKeepAlive = false })
    for (const [{ _httpMessage: response }, heard] of this.#open) {
      if (response?.headersSent === false) response.shouldKeepAlive = false
      heard.atMs = performance.now()
    }
  }

  #look (mayClose: boolean): void {
    const nowMs = performance.now()
    for (const [socket, heard] of this.#open) {
      const isBetweenRequests = socket.parser != null && socket._httpMessage == null
      if (!isBetweenRequests || socket.bytesRead !== heard.bytes) {
        heard.bytes = socket.bytesRead
        heard.atMs = nowMs
      } else if (mayClose && nowMs - heard.atMs >= quietMs) socket.destroy()
    }
  }

  /**
   * Accepts the connections that the system has already accepted and would otherwise reset; Node takes one a turn. Stops listening at the
   * end of a turn in which none arrived and which was short, so that hardly any time has passed since Node looked for connections. The
   * longer this takes, the longer a turn may be. A later close of the server waits for the end of this one.
   */
  async #stopListening (): Promise<void> {
    const server = this.#server
    let came = 0
    let turns = 0
    server.on('connection', () => { came++ })
    const startedAtMs = performance.now()
    await new Promise<void>(resolve => {
      const turn = (before: number, beganAtMs: number): void => {
        const nowMs = performance.now()
        const isQuiet = came === before && nowMs - beganAtMs < (nowMs - startedAtMs) / 100
        const isEnough = ++turns > queuedConnections && nowMs - startedAtMs >= takingMs
        if (!isQuiet && !isEnough) setImmediate(turn, came, nowMs)
        else resolve(closeOnce(server))
      }
      setImmediate(turn, -1, startedAtMs)
    })
  }

  #cut (): void {
    for (const socket of this.#open.keys()) if (!socket.destroyed) this.cut++
    this.#server.closeAllConnections()
    for (const socket of this.#open.keys()) socket.destroy()
  }
}

function closeOnce (server: Server): void {
  let isClosed = false
  server.close(() => { isClosed = true })
  server.close = function closeAgain (callback) {
    if (isClosed) process.nextTick(() => callback?.())
    else if (callback !== undefined) server.once('close', () => { callback() })
    return server
  }
}
