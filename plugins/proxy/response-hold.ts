import type { ServerResponse } from 'node:http'
import { bytesTaken, reset } from '../server/stalls.ts'

/** Waits until a client accepts more of its response. A client that accepts nothing for the time limit is reset. */
export class ResponseHold {
  readonly #response: ServerResponse
  readonly #timeoutMs: number
  #timer: NodeJS.Timeout | null = null
  /** Number of bytes that the client had accepted when it was last looked at. */
  #taken = 0

  /** `onDrain` is called each time that the client has accepted everything. */
  constructor (response: ServerResponse, timeoutMs: number, onDrain: () => void) {
    this.#response = response
    this.#timeoutMs = timeoutMs
    response.on('drain', () => {
      this.end()
      onDrain()
    })
  }

  /** Starts to wait. */
  begin (): void {
    this.end()
    this.#taken = bytesTaken(this.#response.socket)
    this.#timer = setTimeout(expire, this.#timeoutMs, this)
  }

  /** Stops waiting. */
  end (): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  expire (): void {
    const { socket } = this.#response
    // A client can accept bytes without a drain event.
    if (bytesTaken(socket) !== this.#taken) return this.begin()
    if (socket !== null) reset(socket)
    this.#response.destroy()
  }
}

function expire (hold: ResponseHold): void {
  hold.expire()
}
