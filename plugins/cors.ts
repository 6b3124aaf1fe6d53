import { Type } from '@sinclair/typebox'
import type { onRequestHookHandler } from 'fastify'
import fp from 'fastify-plugin'
import { isPreflight, preflightHeaders, readableHeaders } from '../lib/http/cors.ts'
import { CsrfRefusedError } from '../lib/errors.ts'
import { checkOptions } from '../lib/options.ts'
import { ownHeaders } from '../lib/http/security-headers.ts'
import { linger } from './server/linger.ts'

export interface CorsOptions {
  /** What browsers see; it needs no permission. */
  origin: string
  /** Other origins that may use bearer tokens: scheme, host and port, as browsers spell them. */
  origins: string[]
}

const Origin = Type.String({ pattern: '^https?://[^/?#*]+$', errorMessage: 'must be scheme, host and port alone' })
const Options = Type.Object({ origin: Origin, origins: Type.Array(Origin) }, { additionalProperties: false })

/**
 * Lets pages of other origins call with bearer tokens, and read the answer. It says nothing of cookies: what they carry is for
 * our own origin. Register it before whatever demands credentials: browsers send none with a preflight.
 */
export default fp<CorsOptions>(async function corsPlugin (fastify, options) {
  const { origin, origins } = checkOptions('portcullis-cors', Options, options)
  fastify.addHook('onRequest', corsHook(origin, new Set(origins)))
}, { name: 'portcullis-cors', fastify: '5.x', dependencies: ['portcullis-errors'] })

function corsHook (own: string, allowed: ReadonlySet<string>): onRequestHookHandler {
  const security = ownHeaders(own)
  return function answerOtherOrigins (request, reply, done) {
    const { origin } = request.headers
    // Also without Origin: a cache must not give that answer to a page that sends one.
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
