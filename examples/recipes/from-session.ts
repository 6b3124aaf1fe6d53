import cookie from '@fastify/cookie'
import oldSession, { type SessionStore } from '@fastify/session'
import Fastify, { type FastifyInstance } from 'fastify'
import { authenticate, blocklist, cookies, errors, rateLimit, serverOptions, session, store } from '../../index.ts'
import { checkPassword, credentials, type Credentials } from '../users.ts'

// Types session.data and identity.data of Portcullis.
declare module '../../index.ts' {
  interface SessionData { cart?: string[] }
}

// What the application kept in a session of @fastify/session. The user there is not signed in any more; it tells whose cart it is.
declare module 'fastify' {
  interface Session { user?: string, cart?: string[] }
}

export interface FromSessionOptions {
  /** Secret with which @fastify/session signed its cookies, of at least 32 characters. */
  oldSecret: string
  /** Store in which @fastify/session keeps the sessions: the same as before. Its default store loses them when the process ends. */
  oldStore: SessionStore
}

/**
 * Builds an application that kept its users and their carts in sessions of @fastify/session, and now keeps both in sessions of Portcullis.
 * Users sign in once, because a sign-in long ago must not count as one of now; the cart of the old session moves over with it.
 */
export async function build ({ oldSecret, oldStore }: FromSessionOptions): Promise<FastifyInstance> {
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
  await app.register(cookie)
  await app.register(oldSession, { secret: oldSecret, store: oldStore, saveUninitialized: false, rolling: false, cookie: { secure: 'auto' } }) // until the last old session has expired
  const { portcullis } = app

  app.post<{ Body: Credentials }>('/login', { schema: { body: credentials }, onRequest: portcullis.refuseForeign }, async (request, reply) => {
    const user = await portcullis.rateLimit.signIn(reply, request.body.username, async () => await checkPassword(request.body))
    if (user === null) return await reply.code(401).send({ message: 'The user name or the password is wrong' })
    const cart = request.session.user === user.subject ? request.session.cart ?? [] : []
    const opened = await reply.openSession({ ...user, audiences: [audience], data: { cart: bounded(cart) } })
    await request.session.destroy()
    return opened
  })

  const onRequest = portcullis.authenticate({ audience, access: 'session' })
  app.get('/cart', { onRequest }, async ({ identity }) => ({ cart: identity.data?.cart ?? [] }))

  app.post<{ Body: { item: string } }>('/cart', { schema: { body: { type: 'object', required: ['item'], properties: { item: { type: 'string', maxLength: 100 } } } }, onRequest }, async ({ identity, body }, reply) => {
    const cart = bounded([...identity.data?.cart ?? [], body.item])
    await portcullis.session.update(identity.sid!, { ...identity.data, cart }) // replaces the data; the last writer wins
    return await reply.code(201).send({ cart })
  })

  app.post('/logout', { onRequest }, async ({ identity }, reply) => {
    await portcullis.blocklist.revoke({ sid: identity.sid! })
    portcullis.cookies.clear(reply, 'session')
    return await reply.code(204).send()
  })
  return app
}

/** Returns the newest items. The data of a session has at most 4096 bytes. */
function bounded (cart: string[]): string[] {
  const items = [...cart]
  while (Buffer.byteLength(JSON.stringify(items)) > 4000) items.shift()
  return items
}

if (import.meta.main) {
  const oldSecret = process.env['SESSION_SECRET']
  if (oldSecret === undefined) throw new Error('SESSION_SECRET is missing: the secret of the old sessions')
  const oldStore = new oldSession.MemoryStore(new Map()) // the store of your application, such as connect-redis
  await (await build({ oldSecret, oldStore })).listen({ port: 3000 })
  console.log('http://localhost:3000')
}
