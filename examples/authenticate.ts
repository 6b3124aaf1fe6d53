import Fastify, { type FastifyInstance } from 'fastify'
import { randomBytes } from 'node:crypto'
import { accessToken, authenticate, authRoutes, blocklist, cookies, errors, keys, rateLimit, refreshToken, serverOptions, session, store } from '../index.ts'
import { checkPassword } from './users.ts'

/** Builds an application with every plugin but the proxy: sign-in, sessions, tokens, and routes that require them. */
export async function build (): Promise<FastifyInstance> {
  const origin = 'http://localhost:3000'
  const secret = randomBytes(32).toString('base64url') // production: from the environment, the same in every process
  const app = Fastify(serverOptions({ origin }))
  await app.register(errors, { origin })
  await app.register(store, { path: ':memory:' })
  await app.register(rateLimit)
  await app.register(blocklist)
  await app.register(cookies, { origin })
  await app.register(keys, { secret })
  await app.register(accessToken, { issuer: origin })
  await app.register(session)
  await app.register(refreshToken, { secret, accessToken: ({ record, audience, generation }) => app.portcullis.accessToken.issue(record, { audience, generation }) })
  await app.register(authenticate, { origin })
  await app.register(authRoutes, { prefix: '/auth', origin, audiences: ['orders'], identity: { verify: checkPassword } })

  const read = app.portcullis.authenticate({ audience: 'orders', scopes: ['orders:read'] })
  app.get('/orders', { onRequest: read }, async ({ identity }) => ({ orders: [], of: identity.subject }))

  const cancel = app.portcullis.authenticate({ audience: 'orders', scopes: ['orders:write'], stepUp: { maxAge: '5m' } })
  app.delete('/orders/:id', { onRequest: cancel }, async (_request, reply) => await reply.code(204).send())
  return app
}

if (import.meta.main) await (await build()).listen({ port: 3000 })
