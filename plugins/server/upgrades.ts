import { ServerResponse, type IncomingMessage, type Server } from 'node:http'
import type { Socket } from 'node:net'

/** A request for a WebSocket that has been neither answered nor refused. Its socket is nobody else's any more. */
export interface PendingUpgrade {
  /** The client has sent more before it was answered: bytes that are no WebSocket's. */
  hasEarlyBytes: boolean
  /** Gives the socket away. */
  take (): Socket
}

const pending = new WeakMap<IncomingMessage, PendingUpgrade>()
const accepting = new WeakSet<Server>()

/** Null when the request is none for a WebSocket, or cannot become one. */
export function pendingUpgrade (request: IncomingMessage): PendingUpgrade | null {
  return pending.get(request) ?? null
}

/**
 * Routes requests for WebSockets as all others, with a response on their socket: so every hook runs, and a refusal is an answer.
 * Where nobody takes the socket HTTP goes on, for this one request: the parser is gone, so the connection ends with the answer.
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
    pending.set(request, wait(socket, head.length > 0))
    server.emit('request', request, response)
  })
  const closeAllConnections = server.closeAllConnections
  // Node's own forgets a connection when it is upgraded.
  server.closeAllConnections = function closeUpgradedToo () {
    closeAllConnections.call(server)
    for (const socket of sockets) socket.destroy()
  }
}

/** Reads on, so that it is seen when the client goes away. */
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
