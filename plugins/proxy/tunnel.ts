import type { Duplex } from 'node:stream'
import { FrameReader, closeFrame } from '../../lib/proxy/websocket-frames.ts'
import { bytesTaken, reset } from '../server/stalls.ts'

/** How long a WebSocket that we close may take to end; then its connections are cut. */
const closingMs = 1000

export interface TunnelOptions {
  /** Longest time in which the client takes nothing of what is there. */
  clientTimeoutMs: number
  /** The same for the upstream. */
  timeoutMs: number
  /** The client's connection has ended. */
  onClose: () => void
}

/**
 * A WebSocket after its handshake: the bytes of both sides as they are, so that messages, pings, extensions and Close frames stay
 * what they were. Only the boundaries of frames are looked at, because that is where a Close frame of ours can stand.
 */
export class Tunnel {
  readonly #client: Duplex
  readonly #upstream: Duplex
  readonly #toClient: Direction
  readonly #toUpstream: Direction
  readonly #options: TunnelOptions
  #isClosing = false
  #deadline: NodeJS.Timeout | null = null

  constructor (client: Duplex, upstream: Duplex, options: TunnelOptions) {
    const onStall = (): void => { this.destroy() }
    const onClientStall = (): void => {
      reset(client)
      this.destroy()
    }
    this.#client = client
    this.#upstream = upstream
    this.#options = options
    this.#toClient = new Direction(upstream, client, { isMasked: false, stallMs: options.clientTimeoutMs, onStall: onClientStall, onFault: onStall })
    this.#toUpstream = new Direction(client, upstream, { isMasked: true, stallMs: options.timeoutMs, onStall, onFault: () => { this.close(1002) } })
    client.on('end', () => { this.#onClientEnd() })
    client.on('close', () => { this.#onClientClose() })
    for (const event of ['end', 'close']) upstream.on(event, () => { this.#onUpstreamEnd() })
  }

  /** Ends both sides with this code; nothing of the client's reaches the upstream any more. */
  close (code: number): void {
    if (this.#isClosing) return
    this.#endWithin(closingMs)
    this.#isClosing = true
    this.#toUpstream.stop(code)
    this.#toClient.finish(code)
  }

  destroy (): void {
    this.#client.destroy()
    this.#upstream.destroy()
  }

  #onClientEnd (): void {
    if (this.#toUpstream.hasClosed) this.#upstream.end()
    else this.#upstream.destroy()
    this.#endWithin(this.#options.clientTimeoutMs)
  }

  #onUpstreamEnd (): void {
    this.#endWithin(this.#options.clientTimeoutMs)
    // In the middle of a frame nothing can be said any more.
    if (!this.#toClient.stop(1011)) this.#client.destroy()
  }

  #onClientClose (): void {
    if (this.#deadline !== null) clearTimeout(this.#deadline)
    this.#toClient.release()
    this.#toUpstream.release()
    this.#upstream.destroy()
    this.#options.onClose()
  }

  #endWithin (ms: number): void {
    if (this.#client.destroyed || this.#isClosing) return
    if (this.#deadline !== null) clearTimeout(this.#deadline)
    this.#deadline = setTimeout(() => { this.destroy() }, ms)
  }
}

interface DirectionOptions { isMasked: boolean, stallMs: number, onStall: () => void, onFault: () => void }

/** What one side sends the other, never faster than that one takes it. */
class Direction {
  readonly #source: Duplex
  readonly #sink: Duplex
  readonly #frames: FrameReader
  readonly #options: DirectionOptions
  #code: number | null = null
  #isStopped = false
  #stalled: NodeJS.Timeout | null = null

  constructor (source: Duplex, sink: Duplex, options: DirectionOptions) {
    this.#source = source
    this.#sink = sink
    this.#options = options
    this.#frames = new FrameReader(options.isMasked)
    source.on('data', (chunk: Buffer) => { this.#pass(chunk) })
    sink.on('drain', () => { this.#resume() })
  }

  get hasClosed (): boolean { return this.#frames.hasClosed }

  /** Ends with a Close frame as soon as the frame under way has passed. */
  finish (code: number): void {
    if (!this.#isStopped && !this.#frames.isBetween) this.#code = code
    else this.stop(code)
  }

  /** Lets nothing more pass, and ends with a Close frame if there was none. False when that cannot be, in the middle of a frame. */
  stop (code: number): boolean {
    if (this.#isStopped) return true
    this.#isStopped = true
    this.#resume()
    if (!this.#frames.isBetween) return false
    this.#sink.end(this.hasClosed ? undefined : closeFrame(code, this.#options.isMasked))
    return true
  }

  release (): void {
    if (this.#stalled !== null) clearTimeout(this.#stalled)
  }

  #pass (chunk: Buffer): void {
    // Read on, or nobody would see that the source ends.
    if (this.#isStopped) return
    const length = this.#frames.read(chunk, this.#code !== null)
    if (length === -1) {
      this.#isStopped = true
      this.#options.onFault()
      return
    }
    const takesMore = this.#sink.write(length === chunk.length ? chunk : chunk.subarray(0, length))
    if (this.#code !== null && this.#frames.isBetween) this.stop(this.#code)
    else if (!takesMore) this.#pause()
  }

  #pause (): void {
    this.#source.pause()
    if (this.#stalled === null) this.#awaitSink()
  }

  #awaitSink (): void {
    const taken = bytesTaken(this.#sink)
    this.#stalled = setTimeout(() => {
      if (bytesTaken(this.#sink) === taken) this.#options.onStall()
      else this.#awaitSink()
    }, this.#options.stallMs)
  }

  #resume (): void {
    this.release()
    this.#stalled = null
    this.#source.resume()
  }
}
