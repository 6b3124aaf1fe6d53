import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Node's own links from a connection to its parser and to the response under way. */
type HttpSocket = Socket & { parser?: object | null, _httpMessage?: ServerResponse | null }

interface Heard { bytes: number, atMs: number }

/** A client that has been silent for this long has most likely no request on its way. */
const quietMs = 1000
const lookEveryMs = 50
/** New connections that go on coming are left behind after some time, but not before as many turns as Node lets the system queue. */
const takingMs = 1000
const queuedConnections = 511

/**
 * The connections of a server, and how to part with them. One that is closed takes along the request that was on its way on it, and
 * the client cannot know what became of that. So whoever is answered is told `Connection: close`, and only who has been silent for a
 * while is cut; Node's own `close()` cuts whoever happens to be between two requests.
 */
export class Connections {
  readonly #server: Server
  readonly #open = new Map<HttpSocket, Heard>()
  /** How many connections were cut in the end. */
  cut = 0

  constructor (server: Server) {
    this.#server = server
    const add = (socket: HttpSocket): void => {
      this.#open.set(socket, { bytes: 0, atMs: performance.now() })
      socket.once('close', () => { this.#open.delete(socket) })
    }
    server.on('connection', add)
    // Those with TLS are here twice, so that a handshake without an end is cut too.
    server.on('secureConnection', add)
  }

  /** How many requests are under way. */
  get busy (): number {
    let busy = 0
    for (const { _httpMessage: response } of this.#open.keys()) if (response != null) busy++
    return busy
  }

  /** Once the delay is over, closes whoever is silent, and after the timeout whoever is left. The server is closed by its owner. */
  async part (delay: Promise<unknown>, timeoutMs: number): Promise<void> {
    let mayClose = false
    this.#server.closeIdleConnections = () => {}
    this.#tellToLetGo()
    const looking = setInterval(() => {
      // What has arrived is read before the end of this turn: who is silent then is silent indeed.
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

  /** Of requests that came before: whoever comes later is told by Fastify. */
  #tellToLetGo (): void {
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
   * Takes what the system has accepted already, and would reset: Node takes one a turn. Closes at the end of a turn in which none came
   * and in which little else was done, so that hardly any time has passed since it looked for them; the longer that takes, the more
   * counts as little. Whoever closes the server after that waits for its end.
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
