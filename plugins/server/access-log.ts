import * as fastify from 'fastify'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Identity } from '../../lib/identity.ts'
import { ConfigInvalidError } from '../../lib/errors.ts'
import { loggedPath } from '../../lib/http/logged-path.ts'
import { refusedCallerOf } from '../authenticate/refused-callers.ts'
import { codeOf } from '../errors.ts'

/** The first version of Fastify whose log a class can replace. */
export const sinceFastify = '5.10.0'

/**
 * Logs one line for each request when it ends, in place of Fastify's two lines, including requests that are proxied, aborted, or rejected
 * before routing. A line contains the path without a query or path parameters, which may contain secrets.
 */
export function createAccessLog (isOn: boolean): fastify.LogController {
  // Fastify is a peer, and an older one does not export the class. Only servers that are made with serverOptions need it.
  const LogController = fastify.LogController as typeof fastify.LogController | undefined
  if (LogController === undefined) throw new ConfigInvalidError(`serverOptions needs fastify ${sinceFastify} or newer: npm install fastify@5`)
  class AccessLog extends LogController {
    override incomingRequest (request: FastifyRequest, reply: FastifyReply): void {
      if (!isOn) return
      const startedAt = performance.now()
      const { raw } = reply
      const { socket } = request.raw
      const sentBefore = socket.bytesWritten
      raw.once('close', () => {
        const ms = performance.now() - startedAt
        // Requests have no identity at all if the authenticate plugin is not registered.
        const caller = (request.identityOrNull as Identity | null | undefined) ?? refusedCallerOf(request)
        request.log.info({
          method: request.method,
          path: loggedPath(request.originalUrl),
          // nginx introduced this status for clients that disconnect before any response.
          status: raw.headersSent ? raw.statusCode : 499,
          complete: raw.writableFinished,
          ip: request.ip,
          subject: caller?.subject,
          sid: caller?.sid ?? undefined,
          upstream: request.routeOptions.config.upstream,
          code: codeOf(request),
          durationMs: Math.round(ms),
          ms: Math.round(ms * 1000) / 1000,
          // Bytes written to the connection, including the head of the response; absent without a connection.
          bytes: sentBefore === undefined ? undefined : socket.bytesWritten - sentBefore
        }, 'request')
      })
    }
  }
  return new AccessLog({ disableRequestLogging: true })
}
