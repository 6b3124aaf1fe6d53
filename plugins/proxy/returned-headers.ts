import type { IncomingHttpHeaders } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { withoutCors } from '../../lib/http/cors.ts'
import { mapToPublic } from '../../lib/proxy/public-address.ts'
import { keepForOwner, keepWithinPrefix, responseHeaders } from '../../lib/proxy/response-headers.ts'
import { isAmbient } from '../authenticate/schemes.ts'
import type { Upstream } from './upstream.ts'

/** Returns the headers of the client's response, also of a WebSocket handshake: those of the upstream, changed, and those of the reply. */
export function returnedHeaders (headers: IncomingHttpHeaders, status: number, request: FastifyRequest, reply: FastifyReply, upstream: Upstream): Array<string | string[]> {
  const ours = reply.getHeaders()
  if (isAmbient(request.identityOrNull?.credential)) keepForOwner(headers)
  keepWithinPrefix(headers, request.raw.url!, upstream)
  if (upstream.place !== null) mapToPublic(headers, upstream.place)
  return responseHeaders(upstream.stripCors ? withoutCors(headers, ours) : headers, status, ours, upstream.ownCookies)
}
