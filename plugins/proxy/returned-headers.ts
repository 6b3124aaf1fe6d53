import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { withoutCors } from '../../lib/http/cors.ts'
import { mapToPublic } from '../../lib/proxy/public-address.ts'
import { keepForOwner, keepWithinPrefix, responseHeaders } from '../../lib/proxy/response-headers.ts'
import { isAmbient } from '../authenticate/schemes.ts'
import { rewrittenHeaders } from './rewritten-headers.ts'
import type { Upstream } from './upstream.ts'

/** Returns the headers of the client's response, also of a WebSocket handshake: those of the upstream, changed, and those of the reply. */
export function returnedHeaders (headers: IncomingHttpHeaders, status: number, request: FastifyRequest, reply: FastifyReply, upstream: Upstream): Array<string | string[]> {
  const ours = reply.getHeaders()
  if (isAmbient(request.identityOrNull?.credential)) keepForOwner(headers)
  keepWithinPrefix(headers, request.raw.url!, upstream)
  if (upstream.place !== null) mapToPublic(headers, upstream.place)
  const { stripCors, ownCookies, hooks: { rewriteHeaders } } = upstream
  const kept = stripCors ? withoutCors(headers, ours) : headers
  // The headers that open a WebSocket are those of the handshake.
  const rewritten = rewriteHeaders === undefined || status === 101 ? kept : rewrittenHeaders(kept, status, { rewriteHeaders, request, ownCookies })
  return responseHeaders(rewritten, status, ours, ownCookies)
}
