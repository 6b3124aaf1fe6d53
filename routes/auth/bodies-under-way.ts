import type { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'

/** An ordinary body here has some hundred bytes: this many of them are more than a process is ever asked for at once. */
const mostBytes = 32 * 1024 * 1024
const lookEveryMs = 100

interface Body { socket: Socket, from: number, giveUp: () => void }

/**
 * The bodies that the gateway itself is reading, and what has come of them. When that is too much altogether, the largest ones are
 * given up: many slow ones must not fill the memory, nor keep the small ones of others out.
 */
class BodiesUnderWay {
  readonly #bodies = new Map<IncomingMessage, Body>()
  #timer: NodeJS.Timeout | null = null

  /** `giveUp` is called at most once, and not after `delete`. */
  add (request: IncomingMessage, giveUp: () => void): void {
    const { socket } = request
    // Requests that tests inject have no connection, and are in memory already.
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

/** Those of this process: its memory is one. */
export const bodiesUnderWay = new BodiesUnderWay()
