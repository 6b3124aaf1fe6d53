import type { ServerResponse } from 'node:http'

/**
 * Sends the head of a response before its body, byte for byte. `flushHeaders()` of node:http would encode it as UTF-8 and so change each
 * byte above 0x7f, and `write('')` sends nothing if the status allows no body.
 */
export function flushHead (response: ServerResponse & { _send?: (data: string, encoding: BufferEncoding) => boolean }): void {
  response._send?.('', 'latin1')
}

/** Writes what a response has for its connection, and returns whether any of it is still in the memory of this process. */
export function isUnsent (response: ServerResponse): boolean {
  const { socket } = response
  // Node would write only at the end of this turn.
  if (socket !== null && socket.writableCorked > 0) socket.uncork()
  return socket === null || response.writableLength > 0
}
