import { ServerResponse, type IncomingMessage, type Server } from 'node:http'
import type { Socket } from 'node:net'

/** A request for a WebSocket that has been neither accepted nor rejected. Nothing else uses its socket any more. */
export interface PendingUpgrade {
  /** True if the client sent more before the response. These bytes do not belong to a WebSocket. */
  hasEarlyBytes: boolean
  /** Hands the socket over to the caller. */
  take (): Socket
}

const pending = new WeakMap<IncomingMessage, PendingUpgrade>()
const accepting = new WeakSet<Server>()

/** Returns the pending upgrade; null if the request is not for a WebSocket, or cannot become one. */
export function pendingUpgrade (request: IncomingMessage): PendingUpgrade | null {
  return pending.get(request) ?? null
}

/**
 * Routes requests for WebSockets like all others, with a response on their socket, so that every hook runs and a rejection is a response.
 * If no handler takes the socket, HTTP continues for this one request. The parser is gone, so the connection ends with the response.
 */
export function acceptUpgrades (server: Server): void {
  if (accepting.has(server)) return
  accepting.add(server)
  const sockets = new Set<Socket>()
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    sockets.add(socket)
    socket.on('error', ignore)
    socket.once('close', () => { sockets.delete(socket) })
    const response = new ServerResponse(request)
    response.shouldKeepAlive = false
    response.assignSocket(socket)
    response.once('finish', () => { socket.destroySoon() })
    // Node stops to tell the response of it when a connection is upgraded.
    socket.on('drain', () => { if (response.socket === socket && response.writableNeedDrain) response.emit('drain') })
    pending.set(request, wait(socket, head.length > 0))
    server.emit('request', request, response)
  })
  const closeAllConnections = server.closeAllConnections
  // Node's own function forgets a connection when it is upgraded.
  server.closeAllConnections = function closeUpgradedToo () {
    closeAllConnections.call(server)
    for (const socket of sockets) socket.destroy()
  }
}

/** Continues to read, so that a disconnection of the client is noticed. */
function wait (socket: Socket, hasEarlyBytes: boolean): PendingUpgrade {
  const onEarly = (): void => { upgrade.hasEarlyBytes = true }
  const onEnd = (): void => { socket.destroy() }
  const upgrade: PendingUpgrade = {
    hasEarlyBytes,
    take () {
      socket.off('data', onEarly).off('end', onEnd)
      return socket
    }
  }
  socket.on('data', onEarly).on('end', onEnd)
  return upgrade
}

function ignore (): void {}
