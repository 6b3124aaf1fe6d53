import type { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'

/** The most bytes of bodies in flight. An ordinary body has some hundred bytes, so no normal load reaches this. */
const mostBytes = 32 * 1024 * 1024
const lookEveryMs = 100

interface Body { socket: Socket, from: number, giveUp: () => void }

/**
 * The request bodies that the gateway itself is reading, and how much of each has arrived. When the sum exceeds `mostBytes`, the
 * largest bodies are aborted: slow requests must neither exhaust the memory nor displace small ones.
 */
class BodiesUnderWay {
  readonly #bodies = new Map<IncomingMessage, Body>()
  #timer: NodeJS.Timeout | null = null

  /** Adds a body. `giveUp` is called at most once, and never after `delete`. */
  add (request: IncomingMessage, giveUp: () => void): void {
    const { socket } = request
    // Requests that tests inject have no connection, and their bodies are in memory already.
    if (!(socket instanceof Socket)) return
    this.#bodies.set(request, { socket, from: socket.bytesRead, giveUp })
    this.#timer ??= setTimeout(() => { this.#look() }, lookEveryMs).unref()
  }

  delete (request: IncomingMessage): void {
    this.#bodies.delete(request)
  }

  #look (): void {
    const sized = [...this.#bodies].map(([request, { socket, from, giveUp }]) => ({ request, giveUp, bytes: socket.bytesRead - from })).sort((one, other) => other.bytes - one.bytes)
    let bytes = sized.reduce((sum, body) => sum + body.bytes, 0)
    for (const body of sized) {
      if (bytes <= mostBytes) break
      bytes -= body.bytes
      this.#bodies.delete(body.request)
      body.giveUp()
    }
    this.#timer = this.#bodies.size === 0 ? null : setTimeout(() => { this.#look() }, lookEveryMs).unref()
  }
}

/** The bodies of this process; there is one instance, because the process has one memory. */
export const bodiesUnderWay = new BodiesUnderWay()
