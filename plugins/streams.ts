import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { deviceInForce, gridMs } from '../lib/session/record.ts'
import type { RequestFacts } from '../lib/http/request-facts.ts'
import { hasSession, type Identity } from '../lib/identity.ts'
import { checkOptions } from '../lib/check-options.ts'
import { schemeOf } from './authenticate/schemes.ts'
import { addPart, beginPart, partOrNull, type Portcullis } from './portcullis.ts'
import { StreamRegistry, type Stream, type StreamSource } from './streams/registry.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    /** WebSockets, event streams and other long exchanges, which end with their session. */
    streams: Streams
  }
}

export interface Streams {
  /** Number of open streams; requests of less than a second do not count. */
  readonly open: number
  /** Adds an exchange that has begun. */
  add (stream: Stream): void
  /** Marks an exchange as long-lived. */
  keep (stream: Stream): void
  /** Removes an exchange that has ended. */
  delete (stream: Stream): void
}

const Options = Type.Object({}, { additionalProperties: false })

const sweepEveryMs = 1000
const readAtMostEveryMs = 60_000

/**
 * Ends the exchanges of a session when it is revoked, in any process, or expires, and when the server ends. Tokens that expire, are rotated
 * or renewed change nothing. A download or an upload that moves counts as a use of its session; an open WebSocket or event stream does not. If a session is bound to a device, a stream ends
 * with the device cookie that opened it.
 */
export default fp(async function streamsPlugin (fastify, options) {
  checkOptions('portcullis-streams', Options, options)
  const portcullis = beginPart(fastify, 'streams')
  const { blocklist, session } = portcullis
  const registry = new StreamRegistry(createSource(portcullis))
  blocklist.subscribe(entry => {
    if (entry === 'gap') void registry.read()
    if (entry === 'gap' || (entry.kind !== 'changed' && entry.kind !== 'keys')) registry.look()
  })
  const sweeping = setInterval(() => { registry.sweep() }, sweepEveryMs).unref()
  const everyMs = Math.min(Math.max(gridMs(session.idleTimeoutMs), sweepEveryMs), readAtMostEveryMs)
  const reading = setInterval(() => { void registry.read() }, everyMs).unref()
  addPart(fastify, 'streams', registry)
  fastify.addHook('preClose', async () => { registry.drain() })
  fastify.addHook('onClose', async () => {
    clearInterval(sweeping)
    clearInterval(reading)
    registry.stop()
  })
}, { name: 'portcullis-streams', fastify: '5.x', dependencies: ['portcullis-store', 'portcullis-blocklist', 'portcullis-session', 'portcullis-authenticate'] })

function createSource (parts: Portcullis): StreamSource {
  const { store, blocklist, session } = parts
  return {
    nowMs: () => store.nowMs(),
    noteUse: identity => { if (hasSession(identity)) session.noteUse(identity.sid) },
    isRevoked: identity => blocklist.knowsAsRevoked(identity),
    deviceEnd: (identity, request) => deviceEnd(parts, identity, request),
    async readEnd (identity, request) {
      // Streams of a credential without a session, such as another issuer's token, end with the credential.
      if (!hasSession(identity)) return await blocklist.isGoodInStore(identity, false) ? identity.expiresAt * 1000 : null
      const record = await session.read(identity.sid)
      if (record === null) return null
      // A stream that is older than the binding ends as if the first device cookie had opened it.
      const device = deviceInForce(record)
      const deviceBound = partOrNull(parts, 'deviceBound')
      const firstEndMs = device === null || deviceBound === null ? Infinity : device.boundAtMs + deviceBound.cookieTtlMs
      return Math.min(record.expiresAtMs, deviceEnd(parts, identity, request) ?? firstEndMs)
    }
  }
}

/**
 * Returns the end of the device cookie that opened a stream, or null. A cookie that cannot be judged has admitted no stream: the session is
 * not bound, or the stream would not be open.
 */
function deviceEnd (parts: Portcullis, identity: Identity, request: RequestFacts | undefined): number | null {
  const deviceBound = partOrNull(parts, 'deviceBound')
  if (deviceBound === null || request === undefined || !hasSession(identity) || !schemeOf(identity).streams.hasDevice) return null
  try {
    return deviceBound.endOfRequest(request, identity.sid)
  } catch {
    return null
  }
}
