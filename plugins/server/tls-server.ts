import { constants } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { createServer, type Server, type ServerOptions } from 'node:https'
import type { Socket } from 'node:net'

/** An HTTPS server, TLS 1.2 and newer, whose connections end with it: also those that are still shaking hands. */
export function createTlsServer ({ cert, key, ...settings }: ServerOptions, handler: RequestListener): Server {
  const server = createServer({
    ...settings,
    ...cert === undefined ? {} : { cert },
    ...key === undefined ? {} : { key },
    // Said, because a flag of Node's could lower it.
    minVersion: 'TLSv1.2',
    // One client could make a handshake, which is dear, out of every few bytes.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    handshakeTimeout: settings.headersTimeout ?? 10_000
  }, handler)
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => { sockets.delete(socket) })
  })
  // Node's own knows a connection from the end of its handshake on, and close() waits for every one.
  server.closeAllConnections = () => { for (const socket of sockets) socket.destroy() }
  return server
}
