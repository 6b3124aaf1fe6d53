import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { ResponseParser, type ExpectedResponse, type ResponseReceiver } from '../../lib/proxy/response-parser.ts'
import { openSocket, ReadBuffer, UpstreamSocket, type Address } from './upstream-socket.ts'

/**
 * A request at an upstream. Of `onResponseEnd`, `onUpgrade` and `onFailure` exactly one is called, and it is the last call, unless the
 * request leaves its connection with `abandon`.
 */
export interface UpstreamRequest extends ExpectedResponse {
  /** The connection that serves the request. The connection sets it. */
  connection: Connection | null
  /** The request can be sent on this connection. */
  onConnection (connection: Connection): void
  /** `headers` are name, value, name, value…; `length` is that of the body, if the upstream states it. */
  onResponseHead (status: number, headers: string[], length: number | null): void
  /**
   * The bytes are valid only during the call, or, with `mayKeep`, as long as `isUsingData` returns true. Returns false to pause the response
   * until `resume`.
   */
  onResponseData (bytes: Buffer, mayKeep: boolean): boolean
  /** Returns whether bytes that it has kept are still in use. */
  isUsingData (): boolean
  /** Everything that has arrived so far was reported. */
  onResponsePart (): void
  /** Returns whether the request was sent completely, so that the connection can serve another one. */
  onResponseEnd (): boolean
  onUpgrade (status: number, headers: string[], socket: Duplex): void
  /** The upstream accepts more of the body. */
  onDrain (): void
  /** The upstream accepts no more of the body. A response can follow. */
  onBodyRefused (): void
  /** The connection ended before the response, or was never established. */
  onFailure (error: Error, connection: Connection): void
  /** The upstream has made no progress within the time limit. */
  onStall (): void
  /**
   * Another request waits for a connection. Returns whether this one was ended, because its client holds the connection by sending or reading
   * slowly.
   */
  onOthersWait (): boolean
  /** The request waits, and every target is down. */
  onTargetsDown (): void
}

/** The target of a connection, which keeps it while it is unused. */
export interface ConnectionTarget extends Address {
  /** Value of Host for this address. */
  readonly authority: string
  /** Maximum length of the head of a response, in bytes. */
  readonly responseHeadBytes: number
  /** Time at which the target last refused a connection. */
  refusedAtMs: number
  /** Takes back a connection that can serve another request. */
  release (connection: Connection): void
  /** Forgets a connection that has ended, or that has become a WebSocket. */
  forget (connection: Connection): void
  /** Closes the unused connections. */
  dropIdle (): void
}

/** A connection to a target. It serves one request at a time. */
export class Connection implements ResponseReceiver {
  readonly target: ConnectionTarget
  readonly #socket: Socket
  readonly #parser: ResponseParser
  /** True if the socket is read as a stream, which can be handed over after a change of protocols. */
  readonly #isStream: boolean
  readonly #buffer: ReadBuffer
  #request: UpstreamRequest | null
  #requests = 0
  #isPaused = false
  #takesBody = true
  #isSpent = false
  #upgradeHeaders: string[] | null = null
  /** Number of informational responses that were seen. */
  #informational = 0
  /** Time since which the connection is unused. */
  idleSinceMs = 0
  /** Number of times in sequence that the connection was found without progress. */
  looks = 0
  /** True once the connection is established. */
  isOpen = false

  constructor (target: ConnectionTarget, request: UpstreamRequest) {
    this.target = target
    this.#request = request
    this.#parser = new ResponseParser(this, target.responseHeadBytes)
    this.#isStream = request.isUpgrade
    this.#buffer = new ReadBuffer(target.tls === null)
    const socket = openSocket(target, request.isUpgrade ? null : { onRead: (count, buffer) => this.#read(buffer.subarray(0, count)), nextBuffer: () => this.#nextBuffer() })
    this.#socket = socket
    request.connection = this
    if (this.#isStream) socket.on('data', (bytes: Buffer) => { this.#read(bytes) })
    socket.once(target.tls === null ? 'connect' : 'secureConnect', () => { this.#onOpen() })
    socket.on('drain', () => { this.#request?.onDrain() })
    socket.on('end', () => { this.#onEnd() })
    socket.on('error', error => { this.#fail(error) })
    socket.on('close', () => { this.#onClose() })
  }

  get isIdle (): boolean { return this.#request === null }

  get isPaused (): boolean { return this.#isPaused }

  /** True if the connection served other requests before and has delivered nothing for this one. */
  get isUnread (): boolean { return this.#requests > 1 && this.#parser.isUntouched }

  /** Value of Keep-Alive in the last response. */
  get keepAlive (): string { return this.#parser.keepAlive }

  /** Gives the idle connection to a request. */
  take (request: UpstreamRequest): void {
    this.#request = request
    request.connection = this
    this.looks = 0
    request.onConnection(this)
  }

  /** Sends the head of the request. */
  send (head: string): void {
    this.#requests++
    this.#parser.expect(this.#request!)
    this.#socket.write(head, 'latin1')
  }

  /** Prepares for a body: if the upstream does not accept all of it, its response is still read. */
  expectBody (): void {
    if (this.#socket instanceof UpstreamSocket) this.#socket.onWriteFailure ??= () => { this.#onWriteFailure() }
  }

  /** Sends bytes of the body. Returns false if the upstream accepts no more until `onDrain`. */
  write (bytes: Buffer): boolean {
    this.looks = 0
    return this.#takesBody ? this.#socket.write(bytes) : true
  }

  /** Sends a chunk of the body, or its end. Returns false if the upstream accepts no more until `onDrain`. */
  writeChunk (bytes: Buffer | null): boolean {
    this.looks = 0
    if (!this.#takesBody) return true
    if (bytes === null) return this.#socket.write('0\r\n\r\n', 'latin1')
    this.#socket.cork()
    this.#socket.write(`${bytes.length.toString(16)}\r\n`, 'latin1')
    this.#socket.write(bytes)
    const takesMore = this.#socket.write('\r\n', 'latin1')
    this.#socket.uncork()
    return takesMore
  }

  /** Continues to read a response whose data the request has paused. */
  resume (): void {
    this.#isPaused = false
    this.looks = 0
    this.#socket.resume()
  }

  /** Ends the connection for a request that no longer needs the response. */
  abandon (): void {
    this.#leave()
    this.destroy()
  }

  destroy (): void {
    this.#socket.destroy()
  }

  /** Ends the request, because the time limit is over. */
  expire (): void {
    this.#request?.onStall()
  }

  /** Ends a connection that is not established in time. */
  refuse (): void {
    this.#fail(new Error('the connection was not established in time'))
  }

  /** Tells the request that others wait for a connection. Returns whether it was ended. */
  press (): boolean {
    return this.#request?.onOthersWait() ?? false
  }

  onHead (status: number, headers: string[], length: number | null): void {
    if (status === 101) this.#upgradeHeaders = headers
    else this.#request?.onResponseHead(status, headers, length)
  }

  onData (bytes: Buffer): void {
    this.#buffer.add(bytes.length)
    if (this.#request?.onResponseData(bytes, this.#buffer.isOwn) === false) this.#isPaused = true
  }

  onEnd (): void {
    this.#buffer.reset(this.#buffer.isOwn && this.#request?.isUsingData() !== false)
    this.#isPaused = false
    if (this.#request?.onResponseEnd() === false) this.#isSpent = true
    this.#leave()
  }

  #onOpen (): void {
    this.isOpen = true
    this.looks = 0
    this.target.refusedAtMs = -Infinity
    this.#request?.onConnection(this)
  }

  /** Returns false to stop reading. */
  #read (bytes: Buffer): boolean {
    const request = this.#request
    // Bytes that belong to no request could be read as the response to the next one.
    if (request === null) {
      this.destroy()
      return false
    }
    try {
      const used = this.#parser.execute(bytes)
      this.#noteProgress()
      if (this.#upgradeHeaders !== null) this.#upgrade(bytes.subarray(used))
      else if (this.#request === null) this.#release()
      else request.onResponsePart()
    } catch (error) {
      this.#fail(error as Error)
    }
    if (this.#isPaused && this.#isStream) this.#socket.pause()
    return !this.#isPaused
  }

  #nextBuffer (): Buffer {
    if (this.#request !== null) this.#buffer.advance(this.#buffer.isOwn && this.#request.isUsingData())
    return this.#buffer.current
  }

  /** A head counts as progress when it is complete, also that of an informational response, so that it cannot trickle without end. */
  #noteProgress (): void {
    const { isInHead, informational } = this.#parser
    if (!isInHead || informational !== this.#informational) this.looks = 0
    this.#informational = informational
  }

  /** Makes the connection available after a response, unless the next one would not be certain. */
  #release (): void {
    if (this.#parser.isReusable && this.#takesBody && !this.#isSpent && !this.#isStream && !this.#socket.destroyed) this.target.release(this)
    else this.destroy()
  }

  #upgrade (early: Buffer): void {
    const [request, headers, socket] = [this.#leave(), this.#upgradeHeaders!, this.#socket]
    // A stream that flows without a listener would drop what is put back.
    socket.pause()
    socket.removeAllListeners('data')
    for (const event of ['drain', 'end', 'error', 'close']) socket.removeAllListeners(event)
    if (early.length > 0) socket.unshift(early)
    this.target.forget(this)
    request?.onUpgrade(101, headers, socket)
    socket.resume()
  }

  #onWriteFailure (): void {
    this.#takesBody = false
    this.#request?.onBodyRefused()
  }

  #onEnd (): void {
    try {
      this.#parser.finish()
      this.destroy()
    } catch {
      this.#fail(new Error('the upstream has closed the connection before the end of the response'))
    }
  }

  #onClose (): void {
    if (this.#request !== null) this.#fail(new Error('the connection was closed'))
    this.target.forget(this)
  }

  #fail (error: Error): void {
    const request = this.#leave()
    if (!this.isOpen) this.target.refusedAtMs = performance.now()
    this.destroy()
    request?.onFailure(error, this)
  }

  #leave (): UpstreamRequest | null {
    const request = this.#request
    this.#request = null
    if (request !== null) request.connection = null
    return request
  }
}
