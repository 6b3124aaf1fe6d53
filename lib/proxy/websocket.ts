import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** Prefix of the subprotocol that carries the token, because browsers cannot send Authorization with a WebSocket. */
const bearerPrefix = 'portcullis.bearer.'

const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const key = /^[A-Za-z0-9+/]{21}[AQgw]==$/

/** Returns whether a request asks for a WebSocket and nothing else. Whether it is allowed is checked separately. */
export function asksForWebSocket ({ upgrade, connection }: IncomingHttpHeaders): boolean {
  // An upstream can repeat a header, which is a list then.
  return String(upgrade).toLowerCase() === 'websocket' && /(?:^|,)\s*upgrade\s*(?:,|$)/i.test(String(connection ?? ''))
}

/** Returns whether the value is exactly one key (RFC 6455, Client Requirements). */
export function isWebSocketKey (value: string | undefined): value is string {
  return value !== undefined && key.test(value)
}

/** Returns the Sec-WebSocket-Accept for a key, which proves that the server has read the key (RFC 6455, Server Requirements). */
export function acceptOf (key: string): string {
  return createHash('sha1').update(key + guid).digest('base64')
}

/** Splits Sec-WebSocket-Protocol into the bearer tokens for the gateway and the subprotocols for the upstream. */
export function readProtocols (header: string | undefined): { tokens: string[], others: string[] } {
  const offered = (header ?? '').split(',').map(name => name.trim()).filter(name => name !== '')
  return {
    tokens: offered.filter(name => name.startsWith(bearerPrefix)).map(name => name.slice(bearerPrefix.length)),
    others: offered.filter(name => !name.startsWith(bearerPrefix))
  }
}

/** Returns the subprotocol that carries a token. */
export function bearerProtocol (token: string): string {
  return bearerPrefix + token
}
