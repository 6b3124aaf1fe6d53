import fastifyStatic from '@fastify/static'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { join } from 'node:path'
import { authenticate, authRoutes, blocklist, cookies, errors, pagesRoutes, rateLimit, serverOptions, session, store } from '../../index.ts'
import { checkPassword } from '../users.ts'

/** Builds the server of a single-page application: its files, its API, and the sign-in page. Every other address shows the application. */
export async function build (): Promise<FastifyInstance> {
  const origin = 'http://localhost:3000'
  const signIn = { prefix: '/auth', origin, audiences: ['api'], identity: { verify: checkPassword } }
  const app = Fastify(serverOptions({ origin }))
  await app.register(errors, { origin })
  await app.register(store, { path: ':memory:' }) // production: a file, or { type: 'redis', url }
  await app.register(rateLimit)
  await app.register(blocklist)
  await app.register(cookies, { origin })
  await app.register(session)
  await app.register(authenticate, { origin })
  await app.register(authRoutes, signIn)
  await app.register(pagesRoutes, signIn) // also serves the client, /auth/client/index.js
  await app.register(fastifyStatic, { root: join(import.meta.dirname, 'spa') })

  await app.register(async api => {
    api.addHook('onRequest', api.portcullis.authenticate({ audience: 'api' }))
    api.get('/orders', async ({ identity }) => ({ orders: ['a lamp'], of: identity.subject }))
  }, { prefix: '/api' })

  app.setNotFoundHandler(async (request, reply) => {
    if (isNavigation(request)) return await reply.sendFile('index.html')
    return await reply.code(404).send({ message: 'There is nothing here' })
  })
  return app
}

/** Returns whether a browser shows the response as a page. A misspelt address of the API, or a missing image, must not become a page. */
function isNavigation ({ method, headers, url }: FastifyRequest): boolean {
  return method === 'GET' && headers['sec-fetch-mode'] === 'navigate' && !url.startsWith('/api/') && !url.startsWith('/auth/')
}

if (import.meta.main) console.log(await (await build()).listen({ port: 3000 }))
