import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { onRequestHookHandler } from 'fastify'
import { foreignReason, isForeignUpgrade } from '../../lib/http/csrf.ts'
import { CsrfRefusedError, RequestInvalidError, UpstreamUnreachableError } from '../../lib/errors.ts'
import { publish, sourceOf } from '../../lib/events.ts'
import { loggedPath } from '../../lib/http/logged-path.ts'
import { acceptOf, asksForWebSocket, bearerProtocol, isWebSocketKey, readProtocols } from '../../lib/proxy/websocket.ts'
import { pendingUpgrade } from '../server/upgrades.ts'

/** What was offered as Sec-WebSocket-Protocol, before our own was taken out. */
const offered = new WeakMap<IncomingMessage, ReturnType<typeof readProtocols>>()

/** The first onRequest hook of an upstream with WebSockets; requests for none pass. */
export function createHandshakeHook (origin: string): onRequestHookHandler {
  return function checkHandshake (request, _reply, done) {
    const { raw } = request
    if (!asksForWebSocket(raw.headers)) return done()
    if (isForeignUpgrade(raw.headers, origin)) {
      publish({ event: 'csrf.refused', ...sourceOf(request), method: request.method, path: loggedPath(request.originalUrl) }, request.server.portcullis)
      return done(new CsrfRefusedError({ cause: new Error(foreignReason(raw.headers)) }))
    }
    const upgrade = pendingUpgrade(raw)
    // Another method, a body, another version of HTTP, or a request that came before the last one was answered.
    if (upgrade === null) return done(refusal('this request cannot become a WebSocket'))
    if (upgrade.hasEarlyBytes) return done(refusal('nothing may follow before the WebSocket is open'))
    if (!isWebSocketKey(raw.headers['sec-websocket-key'])) return done(refusal('exactly one Sec-WebSocket-Key of 16 bytes is required'))
    takeTokens(raw)
    done()
  }
}

/**
 * Tokens among the subprotocols become what they stand for: Authorization headers, judged as such, several of them too.
 * The upstream is offered only what is meant for it.
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
 * What makes the client's answer of an upstream's: the headers to add. Throws unless the upstream has read this very request, and
 * accepted it: only from there on its bytes are none of our business.
 */
export function checkAnswer (request: IncomingMessage, status: number, answer: IncomingHttpHeaders): string[] {
  const { tokens, others } = offered.get(request) ?? { tokens: [], others: [] }
  const chosen = answer['sec-websocket-protocol']
  if (status !== 101 || !asksForWebSocket(answer)) throw unusable('not a WebSocket')
  if (answer['sec-websocket-accept'] !== acceptOf(request.headers['sec-websocket-key'] ?? '')) throw unusable('a wrong Sec-WebSocket-Accept')
  if (chosen !== undefined && !others.includes(chosen)) throw unusable('a subprotocol that was not offered')
  const added = ['connection', 'Upgrade', 'upgrade', 'websocket']
  // Browsers fail a WebSocket that offers subprotocols when none is chosen. Ours is chosen only where there is no other.
  if (others.length === 0 && tokens[0] !== undefined) added.push('sec-websocket-protocol', bearerProtocol(tokens[0]))
  return added
}

function unusable (what: string): Error {
  return new UpstreamUnreachableError({ cause: new Error(`the upstream answered the handshake with ${what}`) })
}
