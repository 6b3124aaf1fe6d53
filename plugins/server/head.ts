import type { ServerResponse } from 'node:http'

/**
 * Sends the head of a response ahead of its body, byte for byte. `flushHeaders()` of node:http would encode it as UTF-8, and so
 * change each byte above 0x7f, and `write('')` sends nothing with a status that has no body.
 */
export function flushHead (response: ServerResponse & { _send?: (data: string, encoding: BufferEncoding) => boolean }): void {
  response._send?.('', 'latin1')
}
