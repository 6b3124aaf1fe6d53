import fp from 'fastify-plugin'
import { authenticate, blocklist, cookies, errors, pagesRoutes, rateLimit, session, store } from 'portcullis'

const origin = 'http://localhost:3000'

// A placeholder for your own look-up of users.
const identity = { verify: async ({ username, password }) => username === 'ada' && password === 'open-the-gate' ? { subject: 'ada', scopes: ['orders:read'] } : null }

/** All of Portcullis in one file, because AutoLoad loads files in the order of their names, and the order of these plugins is another. */
export default fp(async fastify => {
  await fastify.register(errors, { origin })
  await fastify.register(store, { path: './portcullis.db' })
  await fastify.register(rateLimit)
  await fastify.register(blocklist)
  await fastify.register(cookies, { origin })
  await fastify.register(session)
  await fastify.register(authenticate, { origin })
  await fastify.register(pagesRoutes, { prefix: '/auth', origin, audiences: ['orders'], identity })
})
