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

/**
 * All plain connections read into one buffer. Each read is complete before the next begins, and its bytes are copied or written during the
 * call. TLS connections do not share it, because a write to one can decrypt what another connection has received.
 */
const sharedBuffer = Buffer.allocUnsafeSlow(readBufferBytes)

type ReadCallback = (bytesRead: number, buffer: Buffer) => boolean

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
 * Opens a connection to an address. With `onRead` every read goes to that function and no stream is made of it; without, the connection is
 * an ordinary stream.
 */
export function openSocket ({ host, port, tls }: Address, onRead: ReadCallback | null): Socket {
  if (tls === null) {
    const onread = onRead === null ? {} : { onread: { buffer: sharedBuffer, callback: onRead as OnReadOpts['callback'] } }
    return new UpstreamSocket({ ...onread, noDelay: true }).connect({ host, port })
  }
  const onread = onRead === null ? {} : { onread: { buffer: Buffer.allocUnsafeSlow(readBufferBytes), callback: onRead } }
  const socket = connectTls({ host, port, ...tls.options, ...tls.session === null ? {} : { session: tls.session }, ...onread } as ConnectionOptions)
  socket.setNoDelay(true)
  socket.on('session', session => { tls.session = session })
  return socket
}
