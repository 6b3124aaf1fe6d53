import cookie from '@fastify/cookie'
import httpProxy from '@fastify/http-proxy'
import session from '@fastify/session'
import { RedisStore } from 'connect-redis'
import Fastify from 'fastify'
import { createClient } from 'redis'
import { argsOfParent } from '../child.ts'
import { servePeer } from './serve.ts'

/* Sessions in Redis in front of a proxy. `rolling` is off, so that a request reads the session and writes nothing. Plain
 * JavaScript: the types of @fastify/session would give every request of this project a session. */
const { upstream, redis } = argsOfParent()
const client = createClient({ url: redis })
await client.connect()
const app = Fastify()
await app.register(cookie)
await app.register(session, {
  secret: 'a secret of at least thirty-two characters',
  store: new RedisStore({ client }),
  cookie: { secure: false },
  saveUninitialized: false,
  rolling: false
})
app.post('/sign-in/:subject', async request => {
  request.session.subject = request.params.subject
  return {}
})
await app.register(async scope => {
  scope.addHook('onRequest', async (request, reply) => {
    if (request.session.subject === undefined) return await reply.code(401).send({ message: 'no session' })
  })
  await scope.register(httpProxy, { upstream })
})
await servePeer(app)
