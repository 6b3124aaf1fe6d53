import Fastify, { type FastifyInstance } from 'fastify'
import { randomBytes } from 'node:crypto'
import { accessToken, authenticate, blocklist, cookies, errors, keys, mint, refreshToken, serverOptions, session, store } from '../index.ts'
import { checkPassword, credentials, type Credentials } from './users.ts'

declare module '../index.ts' {
  interface SessionData { tenant?: string, cart?: string[] }
  interface TokenClaims { tenant?: string }
}

/** Builds an application that keeps a tenant and a cart with each session, and adds the tenant to its tokens. */
export async function build (): Promise<FastifyInstance> {
  const origin = 'http://localhost:3000'
  const secret = randomBytes(32).toString('base64url') // production: from the environment, the same in every process
  const app = Fastify(serverOptions({ origin }))
  await app.register(errors, { origin })
  await app.register(store, { path: ':memory:' })
  await app.register(blocklist)
  await app.register(cookies, { origin })
  await app.register(keys, { secret })
  await app.register(accessToken, { issuer: origin, claims: ({ data: { tenant } }) => tenant === undefined ? {} : { tenant } })
  await app.register(session)
  await app.register(refreshToken, { secret, accessToken: ({ record, audience, generation }) => app.portcullis.accessToken.issue(record, { audience, generation }) })
  await app.register(authenticate, { origin })
  await app.register(mint, { claims: ({ data, claims }) => ({ tenant: data?.tenant ?? claims?.tenant ?? 'none' }) })
  const { portcullis } = app

  app.post<{ Body: Credentials, Querystring: { mode?: string } }>('/login', { schema: { body: credentials }, onRequest: portcullis.refuseForeign }, async ({ body, query }, reply) => {
    const user = await checkPassword(body)
    if (user === null) return await reply.code(401).send({ message: 'The user name or the password is wrong' })
    const signIn = { ...user, audiences: ['shop'], data: { tenant: 'acme' } }
    return query.mode === 'tokens' ? await reply.openFamily(signIn) : await reply.openSession(signIn)
  })

  // A session cookie alone: the data of its session is in the identity.
  const onRequest = portcullis.authenticate({ audience: 'shop', access: 'session' })
  app.get('/cart', { onRequest }, async ({ identity: { data } }) => ({ tenant: data?.tenant, cart: data?.cart ?? [] }))

  const addition = { type: 'object', required: ['item'], properties: { item: { type: 'string', maxLength: 20 } } } as const
  app.post<{ Body: { item: string } }>('/cart', { schema: { body: addition }, onRequest }, async ({ identity: { sid, data }, body: { item } }) => {
    const cart = [...data?.cart ?? [], item].slice(-30) // the data of a session has at most 4096 bytes
    const record = await portcullis.session.update(sid!, { ...data, cart }) // the whole data; null if the session has ended
    return { cart: record?.data.cart ?? [] }
  })

  // An access token: its claims are in the identity, and the record is read for the data.
  app.get('/tenant', { onRequest: portcullis.authenticate({ audience: 'shop', access: 'token' }) }, async ({ identity: { sid, claims } }) => {
    const record = sid === null ? null : await portcullis.session.read(sid)
    return { tenant: claims?.tenant, cart: record?.data.cart ?? [] }
  })

  // A token for a service.
  app.get('/token', { onRequest }, async ({ identity }) => ({ token: portcullis.mint(identity, 'orders') }))

  // The refresh cookie is sent to /auth only.
  app.post('/auth/refresh', async (_request, reply) => await reply.rotateFamily())

  app.post('/logout', { onRequest: portcullis.authenticate({ audience: 'shop' }) }, async ({ identity: { sid } }, reply) => {
    if (sid !== null) await portcullis.blocklist.revoke({ sid })
    for (const kind of ['session', 'refresh'] as const) portcullis.cookies.clear(reply, kind)
    return await reply.code(204).send()
  })
  return app
}

if (import.meta.main) await (await build()).listen({ port: 3000 })
