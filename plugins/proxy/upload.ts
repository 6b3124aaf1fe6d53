import type { IncomingMessage, ServerResponse } from 'node:http'
import { linger } from '../server/linger.ts'
import type { Connection } from './connection.ts'

/** A request body on its way to the upstream, sent no faster than the upstream accepts it. */
export class Upload {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  #isChunked = false
  #connection: Connection | null = null
  #isComplete = false
  #isHeld = false
  #isStopped = false
  /** Number of bytes that the client has sent. */
  bytes = 0

  constructor (request: IncomingMessage, response: ServerResponse) {
    this.#request = request
    this.#response = response
  }

  /** True once the body was sent to its end. */
  get isComplete (): boolean { return this.#isComplete }

  /** True while the upstream accepts more and the client sends nothing. */
  get isAwaitingClient (): boolean { return this.#connection !== null && !this.#isComplete && !this.#isHeld && !this.#isStopped }

  /** Sends the body after the head. Reading begins here, so that `100 Continue` is sent only now. */
  start (connection: Connection, { isChunked }: { isChunked: boolean }): void {
    this.#isChunked = isChunked
    this.#connection = connection
    connection.expectBody()
    this.#request.on('data', this.#onData)
    this.#request.on('end', this.#onEnd)
    this.#request.resume()
  }

  /** Continues after the upstream has accepted what was sent. */
  resume (): void {
    if (!this.#isHeld || this.#isStopped) return
    this.#isHeld = false
    this.#request.resume()
  }

  /** Sends nothing more. The rest of the body is discarded for a limited time, in which the client can read a response. */
  stop (): void {
    if (this.#isStopped || this.#isComplete) return
    this.#isStopped = true
    this.#request.off('data', this.#onData)
    // Node discards a body that was never read, without a `100 Continue`.
    if (this.#connection !== null) this.#request.resume()
    linger(this.#request, this.#response)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.bytes += chunk.length
    if (this.#isChunked ? this.#connection!.writeChunk(chunk) : this.#connection!.write(chunk)) return
    this.#isHeld = true
    this.#request.pause()
  }

  readonly #onEnd = (): void => {
    if (this.#isStopped) return
    this.#isComplete = true
    if (this.#isChunked) this.#connection!.writeChunk(null)
  }
}
