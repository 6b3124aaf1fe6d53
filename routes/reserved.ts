import type { FastifyInstance } from 'fastify'
import { NotFoundError } from '../lib/errors.ts'
import { supportEveryMethod } from '../plugins/server/methods.ts'

/** The paths that the gateway reserves for every method: a path without a route answers 404 and is never forwarded to an upstream. */
const reservedPaths = ['/auth', '/oauth', '/.well-known/jwks.json', '/.well-known/oauth-authorization-server']

export default async function reservedRoutes (fastify: FastifyInstance): Promise<void> {
  for (const path of reservedPaths) {
    for (const url of [path, `${path}/*`]) {
      const methods = supportEveryMethod(fastify).filter(method => !fastify.hasRoute({ method, url }))
      // The hook answers, so that no body is read.
      fastify.route({ method: methods, url, onRequest: (_request, _reply, done) => done(new NotFoundError()), handler: () => {} })
    }
  }
}
