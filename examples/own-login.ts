import Fastify, { type FastifyInstance, type FastifyReply } from 'fastify'
import { authenticate, blocklist, cookies, errors, publish, rateLimit, serverOptions, session, store } from '../index.ts'
import { checkPassword, credentials, type Credentials } from './users.ts'

/** Builds an application with its own sign-in, session cookies, and a sign-out of one device or of all. */
export async function build (): Promise<FastifyInstance> {
  const origin = 'http://localhost:3000'
  const audience = 'shop'
  const app = Fastify(serverOptions({ origin }))
  await app.register(errors, { origin })
  await app.register(store, { path: ':memory:' }) // production: a file, or { type: 'redis', url }
  await app.register(rateLimit)
  await app.register(blocklist)
  await app.register(cookies, { origin })
  await app.register(session)
  await app.register(authenticate, { origin })
  const { portcullis } = app

  // refuseForeign prevents login CSRF: another site could otherwise sign a browser in as a user of its choice.
  app.post<{ Body: Credentials }>('/login', { schema: { body: credentials }, onRequest: portcullis.refuseForeign }, async (request, reply) => {
    // Counts the attempts of the address and the failures of the account, and answers 429 when either has used up its budget.
    const user = await portcullis.rateLimit.signIn(reply, request.body.username, async () => await checkPassword(request.body))
    if (user === null) {
      publish({ event: 'login.refused', ip: request.ip, request: request.id }, portcullis)
      return await reply.code(401).send({ message: 'The user name or the password is wrong' })
    }
    return await reply.openSession({ ...user, audiences: [audience] }) // a session without audiences is valid nowhere
  })

  const onRequest = portcullis.authenticate({ audience })
  app.get('/orders', { onRequest }, async ({ identity }) => ({ orders: [], of: identity.subject }))

  app.post('/logout', { onRequest }, async ({ identity }, reply) => {
    if (identity.sid !== null) await portcullis.blocklist.revoke({ sid: identity.sid })
    return await signedOut(reply)
  })

  app.post('/logout-everywhere', { onRequest }, async ({ identity }, reply) => {
    await portcullis.blocklist.revoke({ subject: identity.subject })
    return await signedOut(reply)
  })

  async function signedOut (reply: FastifyReply): Promise<FastifyReply> {
    portcullis.cookies.clear(reply, 'session')
    return await reply.code(204).send()
  }
  return app
}

if (import.meta.main) await (await build()).listen({ port: 3000 })
