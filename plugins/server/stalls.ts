import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** Node's own link from a connection to its handle, and from a TLS connection to the TCP connection below it. */
type Connection = Socket & { _handle?: Handle | null, _parent?: Connection | null }

/** All bytes that were written to a connection, and those of them that the system has not accepted. */
interface Handle { bytesWritten: number, writeQueueSize: number }

interface Seen { taken: number, looks: number }

const looksInTime = 12

/**
 * Resets every connection of a server whose client accepts none of its waiting bytes for `timeoutMs`, regardless of the response or stream.
 * The time is counted in looks at the connections and not by a clock, so that a process that was stopped does not attribute its own pause
 * to a client.
 */
export function resetStalled (server: Server, timeoutMs: number): void {
  const open = new Map<Connection, Seen>()
  let looking: NodeJS.Timeout | undefined
  // These are the TCP connections, also with TLS, where they exist before the handshake.
  server.on('connection', (socket: Connection) => {
    open.set(socket, { taken: -1, looks: 0 })
    socket.once('close', () => { open.delete(socket) })
  })
  server.on('listening', () => { looking = setInterval(look, Math.max(10, timeoutMs / looksInTime), open).unref() })
  server.on('close', () => { clearInterval(looking) })
}

function look (open: Map<Connection, Seen>): void {
  for (const [socket, seen] of open) {
    const taken = isWaiting(socket) ? bytesTaken(socket) : -1
    if (taken === -1 || taken !== seen.taken) {
      seen.taken = taken
      seen.looks = 0
    } else if (++seen.looks >= looksInTime) reset(socket)
  }
}

function isWaiting ({ _handle: handle }: Connection): boolean {
  return handle != null && handle.writeQueueSize > 0
}

/**
 * Returns how many of the bytes written to a connection the system has accepted; with TLS, of the encrypted ones. They are the only sign
 * that a client accepts data, and so that the system's own buffer had room. Returns 0 for a connection that has ended.
 */
export function bytesTaken (connection: Duplex | null): number {
  const handle = connection === null ? null : wireOf(connection)._handle
  return handle == null ? 0 : handle.bytesWritten - handle.writeQueueSize
}

/**
 * Resets a server's connection, so that the system drops the bytes that it still holds for the client. A close would keep them for minutes.
 */
export function reset (connection: Duplex): void {
  const socket = wireOf(connection)
  // Only TCP connections can be reset, and only they have ports.
  if (socket.localPort === undefined) socket.destroy()
  else socket.resetAndDestroy()
}

/** Ends a response that has begun, so that the client notices that it is incomplete. */
export function cutResponse (response: ServerResponse): void {
  const { socket, req } = response
  // A response in HTTP/1.0 ends with its connection, so a close would look like its end.
  if (socket !== null && req.httpVersionMinor === 0) reset(socket)
  response.destroy()
}

function wireOf (connection: Duplex): Connection {
  const socket = connection as Connection
  return socket._parent ?? socket
}
