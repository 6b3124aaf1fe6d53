import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { onRequestHookHandler } from 'fastify'
import { foreignReason, isForeignUpgrade } from '../../lib/http/csrf.ts'
import { CsrfRefusedError, RequestInvalidError, UpstreamResponseInvalidError } from '../../lib/errors.ts'
import { publish, sourceOf } from '../../lib/events.ts'
import { loggedPath } from '../../lib/http/logged-path.ts'
import { acceptOf, asksForWebSocket, bearerProtocol, isWebSocketKey, readProtocols } from '../../lib/proxy/websocket.ts'
import { pendingUpgrade } from '../server/upgrades.ts'

/** Subprotocols that Sec-WebSocket-Protocol offered, before those of the gateway were removed. */
const offered = new WeakMap<IncomingMessage, ReturnType<typeof readProtocols>>()

/** Creates the first onRequest hook of an upstream with WebSockets. Other requests pass. */
export function createHandshakeHook (origin: string): onRequestHookHandler {
  return function checkHandshake (request, _reply, done) {
    const { raw } = request
    if (!asksForWebSocket(raw.headers)) return done()
    if (isForeignUpgrade(raw.headers, origin)) {
      publish({ event: 'csrf.refused', ...sourceOf(request), method: request.method, path: loggedPath(request.originalUrl) }, request.server.portcullis)
      return done(new CsrfRefusedError({ cause: new Error(foreignReason(raw.headers)) }))
    }
    const upgrade = pendingUpgrade(raw)
    // The request has another method, a body or another version of HTTP, or it arrived before the previous one was answered.
    if (upgrade === null) return done(refusal('this request cannot become a WebSocket'))
    if (upgrade.hasEarlyBytes) return done(refusal('nothing may follow before the WebSocket is open'))
    if (!isWebSocketKey(raw.headers['sec-websocket-key'])) return done(refusal('exactly one Sec-WebSocket-Key of 16 bytes is required'))
    takeTokens(raw)
    done()
  }
}

/**
 * Converts tokens among the subprotocols to Authorization headers, which are verified as such, even if there are several. The upstream is
 * offered only the other subprotocols.
 */
function takeTokens (request: IncomingMessage): void {
  const { headers, rawHeaders } = request
  const protocols = readProtocols(headers['sec-websocket-protocol'])
  offered.set(request, protocols)
  if (protocols.tokens.length === 0) return
  if (protocols.others.length > 0) headers['sec-websocket-protocol'] = protocols.others.join(', ')
  else delete headers['sec-websocket-protocol']
  for (const token of protocols.tokens) {
    headers.authorization ??= `Bearer ${token}`
    rawHeaders.push('Authorization', `Bearer ${token}`)
  }
}

function refusal (detail: string): Error {
  return Object.assign(new RequestInvalidError(), { detail })
}

/**
 * Checks an upstream's response to a handshake, and returns the headers to add to the client's response. Throws unless the upstream has
 * read exactly this request and accepted it; only then may its bytes pass unchecked.
 */
export function checkAnswer (request: IncomingMessage, status: number, answer: IncomingHttpHeaders): string[] {
  const { tokens, others } = offered.get(request) ?? { tokens: [], others: [] }
  const chosen = answer['sec-websocket-protocol']
  if (status !== 101 || !asksForWebSocket(answer)) throw unusable('not a WebSocket')
  if (answer['sec-websocket-accept'] !== acceptOf(request.headers['sec-websocket-key'] ?? '')) throw unusable('a wrong Sec-WebSocket-Accept')
  if (chosen !== undefined && !others.includes(chosen)) throw unusable('a subprotocol that was not offered')
  const added = ['connection', 'Upgrade', 'upgrade', 'websocket']
  // Browsers fail a WebSocket that offers subprotocols if none is chosen. The gateway's own is chosen only if there is no other.
  if (others.length === 0 && tokens[0] !== undefined) added.push('sec-websocket-protocol', bearerProtocol(tokens[0]))
  return added
}

function unusable (what: string): Error {
  return new UpstreamResponseInvalidError({ cause: new Error(`the upstream answered the handshake with ${what}`) })
}
