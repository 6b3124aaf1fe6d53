import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { RequestInvalidError } from '../../lib/errors.ts'
import { flushHead } from '../server/head.ts'
import type { PendingUpgrade } from '../server/upgrades.ts'
import { checkAnswer } from './handshake.ts'
import { returnedHeaders } from './returned-headers.ts'
import { Tunnel } from './tunnel.ts'
import type { Upstream } from './upstream.ts'

interface Handshake { upgrade: PendingUpgrade, request: FastifyRequest, reply: FastifyReply, upstream: Upstream }

/** Accepts a WebSocket as its upstream has, and connects both sides. Throws before anything is sent if the client or the upstream breaks the protocol. */
export function openTunnel ({ upgrade, request, reply, upstream }: Handshake, answer: { status: number, headers: IncomingHttpHeaders, socket: Duplex }, onClose: () => void): Tunnel {
  const { status, headers, socket } = answer
  const response: ServerResponse = reply.raw
  if (upgrade.hasEarlyBytes) throw new RequestInvalidError()
  const ours = checkAnswer(request.raw, status, headers)
  response.writeHead(status, [...returnedHeaders(headers, status, request, reply, upstream), ...ours])
  reply.hijack()
  flushHead(response)
  const client = upgrade.take()
  response.detachSocket(client)
  const { clientTimeoutMs, timeoutMs } = upstream
  return new Tunnel(client, socket, { clientTimeoutMs, timeoutMs, onClose })
}
