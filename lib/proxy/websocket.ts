import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'

/** Browsers can send no Authorization with a WebSocket; this subprotocol carries the token. */
const bearerPrefix = 'portcullis.bearer.'

const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const key = /^[A-Za-z0-9+/]{21}[AQgw]==$/

/** Whether a request asks for a WebSocket and nothing else; whether it may is another question. */
export function asksForWebSocket ({ upgrade, connection }: IncomingHttpHeaders): boolean {
  return upgrade?.toLowerCase() === 'websocket' && /(?:^|,)\s*upgrade\s*(?:,|$)/i.test(connection ?? '')
}

/** Whether it is exactly one key (RFC 6455, Client Requirements). */
export function isWebSocketKey (value: string | undefined): value is string {
  return value !== undefined && key.test(value)
}

/** The Sec-WebSocket-Accept that only whoever has read this key can know (RFC 6455, Server Requirements). */
export function acceptOf (key: string): string {
  return createHash('sha1').update(key + guid).digest('base64')
}

/** What a client offers as Sec-WebSocket-Protocol: our bearer tokens, and the subprotocols for the upstream. */
export function readProtocols (header: string | undefined): { tokens: string[], others: string[] } {
  const offered = (header ?? '').split(',').map(name => name.trim()).filter(name => name !== '')
  return {
    tokens: offered.filter(name => name.startsWith(bearerPrefix)).map(name => name.slice(bearerPrefix.length)),
    others: offered.filter(name => !name.startsWith(bearerPrefix))
  }
}

/** The subprotocol that carries a token. */
export function bearerProtocol (token: string): string {
  return bearerPrefix + token
}
