import type { Duplex } from 'node:stream'
import { FrameReader, closeFrame } from '../../lib/proxy/websocket-frames.ts'
import { bytesTaken, reset } from '../server/stalls.ts'
import type { StreamEnd } from '../streams/registry.ts'

/** Time within which a WebSocket that the gateway closes must end; then its connections are destroyed. */
const closingMs = 1000

/** Close codes of WebSockets (RFC 6455, Defined Status Codes): policy violation, going away, and protocol error. */
const closeCodes: Record<StreamEnd | 'malformed', number> = { revoked: 1008, draining: 1001, malformed: 1002 }

export interface TunnelOptions {
  /** Maximum time for which the client accepts none of the waiting bytes. */
  clientTimeoutMs: number
  /** Maximum time for which the upstream accepts none of the waiting bytes. */
  timeoutMs: number
  /** Called when the client's connection has ended. */
  onClose: () => void
}

/**
 * A WebSocket after its handshake. The bytes of both sides pass unchanged, including messages, pings, extensions and Close frames. Only the
 * boundaries of frames are tracked, because the gateway can insert a Close frame only there.
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
    this.#toUpstream = new Direction(client, upstream, { isMasked: true, stallMs: options.timeoutMs, onStall, onFault: () => { this.close('malformed') } })
    client.on('end', () => { this.#onClientEnd() })
    client.on('close', () => { this.#onClientClose() })
    for (const event of ['end', 'close']) upstream.on(event, () => { this.#onUpstreamEnd() })
  }

  /** Closes both sides, with a code that tells why. The upstream receives no more bytes from the client. */
  close (reason: keyof typeof closeCodes): void {
    const code = closeCodes[reason]
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
    // Without a Close frame of the upstream the client must not receive one either, so that it reports 1006 and connects again.
    this.#client.end()
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

/** The bytes from one side to the other, sent no faster than the other side accepts them. */
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

  /** Ends with a Close frame as soon as the current frame has passed. */
  finish (code: number): void {
    if (!this.#isStopped && !this.#frames.isBetween) this.#code = code
    else this.stop(code)
  }

  /**
   * Lets no more bytes pass, and ends with a Close frame if there was none. Returns false if that is impossible, in the middle of a frame.
   */
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
    // Reading continues, because otherwise the end of the source would not be noticed.
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
