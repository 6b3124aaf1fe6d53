import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** Node's own link from a connection to its handle, and from one with TLS to the TCP connection below it. */
type Connection = Socket & { _handle?: Handle | null, _parent?: Connection | null }

/** All bytes that were written to a connection, and those among them that the system has not taken. */
interface Handle { bytesWritten: number, writeQueueSize: number }

interface Seen { taken: number, looks: number }

const looksInTime = 12

/**
 * Resets every connection of a server whose client takes nothing of what waits for it during `timeoutMs`, whichever answer or stream
 * that is. Each look at the connections counts, and no clock: a process that was stopped does not take its own pause for a client's.
 */
export function resetStalled (server: Server, timeoutMs: number): void {
  const open = new Map<Connection, Seen>()
  let looking: NodeJS.Timeout | undefined
  // With TLS these are the TCP connections, which exist before the handshake.
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
 * How many bytes the system has taken of those that were written to a connection, with TLS of the encrypted ones. They are the only
 * sign that a client takes anything, and so the system's own buffer must have had room. 0 for a connection that has ended.
 */
export function bytesTaken (connection: Duplex | null): number {
  const handle = connection === null ? null : wireOf(connection)._handle
  return handle == null ? 0 : handle.bytesWritten - handle.writeQueueSize
}

/** Ends a server's connection so that the system drops the bytes that it still holds for the client, which a close keeps for minutes. */
export function reset (connection: Duplex): void {
  const socket = wireOf(connection)
  // Only TCP connections can be reset, and they alone have ports.
  if (socket.localPort === undefined) socket.destroy()
  else socket.resetAndDestroy()
}

function wireOf (connection: Duplex): Connection {
  const socket = connection as Connection
  return socket._parent ?? socket
}
