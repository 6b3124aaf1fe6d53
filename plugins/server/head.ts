import type { ServerResponse } from 'node:http'

/**
 * Sends the head of a response before its body, byte for byte. `flushHeaders()` of node:http would encode it as UTF-8 and so change each
 * byte above 0x7f, and `write('')` sends nothing if the status allows no body.
 */
export function flushHead (response: ServerResponse & { _send?: (data: string, encoding: BufferEncoding) => boolean }): void {
  response._send?.('', 'latin1')
}
