import { LogController, type FastifyReply, type FastifyRequest } from 'fastify'
import { loggedPath } from '../../lib/logged-path.ts'

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
    raw.once('close', () => {
      request.log.info({
        method: request.method,
        path: loggedPath(request.originalUrl),
        // The status that nginx made known for clients that went away before any answer.
        status: raw.headersSent ? raw.statusCode : 499,
        complete: raw.writableFinished,
        ip: request.ip,
        durationMs: Math.round(performance.now() - startedAt)
      }, 'request')
    })
  }
}
