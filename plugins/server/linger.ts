import type { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'

/**
 * Gives a client that is still sending a body time to read an early response, and then ends the connection. Ending it at once would reset
 * it, and the response could be lost; never ending it would let the client continue without limit.
 */
export function linger (request: IncomingMessage, response: ServerResponse, lingerMs = 5000): void {
  // Requests that tests inject have no connection.
  if (request.complete || request.destroyed || !(request.socket instanceof Socket)) return
  const timer = setTimeout(() => {
    if (request.complete) return
    if (response.writableFinished) request.socket.destroy()
    else response.once('finish', () => { request.socket.destroy() })
  }, lingerMs).unref()
  request.once('close', () => { clearTimeout(timer) })
}
