import { constants } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { createServer, type Server, type ServerOptions } from 'node:https'
import type { Socket } from 'node:net'

/** Creates an HTTPS server, TLS 1.2 and newer. Its connections end with it, including those in their handshake. */
export function createTlsServer ({ cert, key, ...settings }: ServerOptions, handler: RequestListener): Server {
  const server = createServer({
    ...settings,
    ...cert === undefined ? {} : { cert },
    ...key === undefined ? {} : { key },
    // The version is stated, because a flag of Node could lower it.
    minVersion: 'TLSv1.2',
    // Renegotiation would let one client cause an expensive handshake with every few bytes.
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    handshakeTimeout: settings.headersTimeout ?? 10_000
  }, handler)
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => { sockets.delete(socket) })
  })
  // Node's own function knows a connection only from the end of its handshake, and close() waits for every connection.
  server.closeAllConnections = () => { for (const socket of sockets) socket.destroy() }
  return server
}
