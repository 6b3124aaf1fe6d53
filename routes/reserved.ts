import type { FastifyInstance } from 'fastify'
import { NotFoundError } from '../lib/errors.ts'
import { supportEveryMethod } from '../plugins/server/methods.ts'

/** Ours for every method: what has no route there is nowhere, and never an upstream's. */
const reservedPaths = ['/auth', '/oauth', '/.well-known/jwks.json', '/.well-known/oauth-authorization-server']

export default async function reservedRoutes (fastify: FastifyInstance): Promise<void> {
  for (const path of reservedPaths) {
    for (const url of [path, `${path}/*`]) {
      const methods = supportEveryMethod(fastify).filter(method => !fastify.hasRoute({ method, url }))
      // From the hook, so that no body is read on the way.
      fastify.route({ method: methods, url, onRequest: (_request, _reply, done) => done(new NotFoundError()), handler: () => {} })
    }
  }
}
