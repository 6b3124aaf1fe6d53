import { LogController, type FastifyReply, type FastifyRequest } from 'fastify'
import type { Identity } from '../../lib/principal.ts'
import { loggedPath } from '../../lib/http/logged-path.ts'
import { refusedCallerOf } from '../authenticate/refused-callers.ts'
import { codeOf } from '../errors.ts'

/**
 * One line for each request when it is over, in place of Fastify's two: also for what is proxied, aborted, or refused before
 * a route is chosen. A line has the path and never what follows it, a query or path parameters, which may hold secrets.
 */
export class AccessLog extends LogController {
  readonly #isOn: boolean

  constructor (isOn: boolean) {
    super({ disableRequestLogging: true })
    this.#isOn = isOn
  }

  override incomingRequest (request: FastifyRequest, reply: FastifyReply): void {
    if (!this.#isOn) return
    const startedAt = performance.now()
    const { raw } = reply
    const { socket } = request.raw
    const sentBefore = socket.bytesWritten
    raw.once('close', () => {
      const ms = performance.now() - startedAt
      // Without the authenticate plugin requests have no identity at all.
      const caller = (request.identityOrNull as Identity | null | undefined) ?? refusedCallerOf(request)
      request.log.info({
        method: request.method,
        path: loggedPath(request.originalUrl),
        // The status that nginx made known for clients that went away before any answer.
        status: raw.headersSent ? raw.statusCode : 499,
        complete: raw.writableFinished,
        ip: request.ip,
        subject: caller?.subject,
        sid: caller?.sid ?? undefined,
        upstream: request.routeOptions.config.upstream,
        code: codeOf(request),
        durationMs: Math.round(ms),
        ms: Math.round(ms * 1000) / 1000,
        // What was written to the connection, the head of the answer included; absent where there is no connection.
        bytes: sentBefore === undefined ? undefined : socket.bytesWritten - sentBefore
      }, 'request')
    })
  }
}
