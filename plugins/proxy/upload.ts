import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { RequestTimeoutError } from '../../lib/errors.ts'
import { linger } from '../server/linger.ts'

/**
 * A request body on its way to the upstream. It separates the two, because undici destroys the stream that it receives, and because the
 * client's time limit runs only while the upstream is ready for more.
 */
export class Upload extends Readable {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #timeoutMs: number
  #idle: NodeJS.Timeout | null = null
  #wanted = false
  #complete = false

  constructor (request: IncomingMessage, response: ServerResponse, timeoutMs: number) {
    super()
    this.#request = request
    this.#response = response
    this.#timeoutMs = timeoutMs
  }

  override _read (): void {
    this.#wanted = true
    if (this.#idle === null) this.#start()
    else this.#idle.refresh()
    this.#request.resume()
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.#idle !== null) clearTimeout(this.#idle)
    this.#request.off('data', this.#onData)
    // Node discards a body that was never read, without a `100 Continue`.
    if (this.#idle !== null && !this.#complete) this.#request.resume()
    linger(this.#request, this.#response)
    callback(error)
  }

  #start (): void {
    this.#idle = setTimeout(onIdle, this.#timeoutMs, this)
    this.#request.on('data', this.#onData)
    this.#request.on('end', this.#onEnd)
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#idle?.refresh()
    if (this.push(chunk)) return
    this.#wanted = false
    this.#request.pause()
  }

  readonly #onEnd = (): void => {
    this.#complete = true
    if (this.#idle !== null) clearTimeout(this.#idle)
    if (!this.destroyed) this.push(null)
  }

  expire (): void {
    // The upstream holds the body back, and its own timeout is running.
    if (this.#wanted) this.destroy(Object.assign(new RequestTimeoutError(), { headers: { connection: 'close' } }))
    else this.#idle?.refresh()
  }
}

function onIdle (upload: Upload): void {
  upload.expire()
}
