import { Type } from '@sinclair/typebox'
import type { onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { isPreflight, preflightHeaders, readableHeaders } from '../lib/http/cors.ts'
import { CsrfRefusedError } from '../lib/errors.ts'
import { checkOptions } from '../lib/check-options.ts'
import { ownHeaders } from '../lib/http/security-headers.ts'
import { linger } from './server/linger.ts'

export interface CorsOptions {
  /** Origin that browsers see, which needs no permission. */
  origin: string
  /** Other origins that may use bearer tokens: scheme, host and port, in the spelling of browsers. */
  origins: readonly string[]
}

const Origin = Type.String({ pattern: '^https?://[^/?#*]+$', errorMessage: 'must be scheme, host and port alone' })
const Options = Type.Object({ origin: Origin, origins: Type.Array(Origin) }, { additionalProperties: false })

/**
 * Lets pages of other origins send bearer tokens and read the responses. It never allows cookies, which are for the gateway's own origin.
 * Register it before hooks that require credentials, because browsers send none with a preflight.
 */
export default fp<CorsOptions>(async function corsPlugin (fastify, options) {
  const { origin, origins } = checkOptions('portcullis-cors', Options, options)
  fastify.addHook('onRequest', corsHook(origin, new Set(origins)))
}, { name: 'portcullis-cors', fastify: '5.x', dependencies: ['portcullis-errors'] })

function corsHook (own: string, allowed: ReadonlySet<string>): onRequestHookHandler {
  const security = ownHeaders(own)
  return function answerOtherOrigins (request, reply, done) {
    const { origin } = request.headers
    // Vary is set even without Origin, because a cache must not serve that response to a page that sends one.
    reply.header('vary', 'Origin')
    if (origin === undefined || origin === own) return done()
    const asks = isPreflight(request.method, request.headers)
    if (!allowed.has(origin)) return asks ? done(new CsrfRefusedError({ cause: new Error('the origin is not in cors.origins') })) : done()
    if (!asks) {
      reply.headers(readableHeaders(origin))
      return done()
    }
    linger(request.raw, reply.raw)
    void reply.code(204).headers({ ...security, ...preflightHeaders(origin, request.headers) }).send()
  }
}
