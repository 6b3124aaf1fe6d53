import { Socket, type OnReadOpts } from 'node:net'
import { connect as connectTls, type ConnectionOptions } from 'node:tls'

const readBufferBytes = 65_536

/** Where the connections of a target lead. */
export interface Address {
  readonly host: string
  readonly port: number
  /** Settings of TLS, and the session that the next connection resumes; null for plain connections. */
  readonly tls: { readonly options: ConnectionOptions, session: Buffer | null } | null
}

const sharedBuffer = allocate()

/** Number of bytes of a response from which its connection gets a buffer that no other one uses. */
const longResponseBytes = readBufferBytes / 2

/** Buffers that were connections' own and are in use no longer. Fresh memory costs more than a copy. */
const spare: Buffer[] = []
const mostSpare = 32

/**
 * The buffer into which a connection reads. Plain connections share one: each read is complete before the next begins, and its bytes are
 * copied during the call. TLS connections do not share it, because a write to one can decrypt what another connection has received. A
 * connection with a long response has its own, so that its bytes need not be copied: fresh memory costs more than all else in a download.
 */
export class ReadBuffer {
  readonly #mayShare: boolean
  #current: Buffer
  #bytes = 0

  constructor (mayShare: boolean) {
    this.#mayShare = mayShare
    this.#current = mayShare ? sharedBuffer : allocate()
  }

  get current (): Buffer { return this.#current }

  /** True if no other connection reads into the buffer. */
  get isOwn (): boolean { return this.#current !== sharedBuffer }

  /** Counts what was read of a response. */
  add (bytes: number): void {
    this.#bytes += bytes
  }

  /** Prepares for the next read of a response. Its bytes go elsewhere if those of the last read are still in use. */
  advance (isInUse: boolean): void {
    if (this.isOwn ? isInUse : this.#bytes >= longResponseBytes) this.#current = spare.pop() ?? allocate()
  }

  /** Prepares for the next response. `isInUse` tells whether bytes of the last read are. */
  reset (isInUse: boolean): void {
    this.#bytes = 0
    if (!this.#mayShare || !this.isOwn) return
    if (!isInUse && spare.length < mostSpare) spare.push(this.#current)
    this.#current = sharedBuffer
  }
}

function allocate (): Buffer {
  return Buffer.allocUnsafeSlow(readBufferBytes)
}

export interface Reading {
  /** Receives the bytes of each read. Returns false to stop reading. */
  onRead: (bytesRead: number, buffer: Buffer) => boolean
  /** Returns the buffer for the next read. It is called after each read, and for each address of a name that is tried. */
  nextBuffer: () => Buffer
}

/** A plain connection that can go on reading after a failed write, because the response may be waiting. */
export class UpstreamSocket extends Socket {
  /** Called for a failed write. The connection then stays open for reading. If it is null, a failed write closes the connection. */
  onWriteFailure: (() => void) | null = null

  override _write (chunk: unknown, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    super._write(chunk, encoding, this.onWriteFailure === null ? callback : this.#callbackOf(callback))
  }

  override _writev (chunks: Array<{ chunk: unknown, encoding: BufferEncoding }>, callback: (error?: Error | null) => void): void {
    super._writev!(chunks, this.onWriteFailure === null ? callback : this.#callbackOf(callback))
  }

  /** Without a call of `callback`, the stream accepts nothing more and stays open. */
  #callbackOf (callback: (error?: Error | null) => void): (error?: Error | null) => void {
    return error => {
      const { onWriteFailure } = this
      if (error == null || this.destroyed || onWriteFailure === null) callback(error)
      else onWriteFailure()
    }
  }
}

/**
 * Opens a connection to an address. With `reading` every read goes to its function and no stream is made of it; without, the connection is
 * an ordinary stream.
 */
export function openSocket ({ host, port, tls }: Address, reading: Reading | null): Socket {
  const onread = reading === null ? {} : { onread: { buffer: reading.nextBuffer, callback: reading.onRead } as unknown as OnReadOpts }
  if (tls === null) return new UpstreamSocket({ ...onread, noDelay: true }).connect({ host, port })
  const socket = connectTls({ host, port, ...tls.options, ...tls.session === null ? {} : { session: tls.session }, ...onread } as ConnectionOptions)
  socket.setNoDelay(true)
  socket.on('session', session => { tls.session = session })
  return socket
}
