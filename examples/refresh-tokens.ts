import jwt from '@fastify/jwt'
import Fastify, { type FastifyInstance } from 'fastify'
import { randomBytes } from 'node:crypto'
import { blocklist, cookies, errors, refreshToken, store } from '../index.ts'
import { checkPassword, credentials, type Credentials } from './users.ts'

/** Builds an application with refresh tokens in a hardened cookie, and access tokens that its own @fastify/jwt signs. */
export async function build (): Promise<FastifyInstance> {
  const app = Fastify()
  const secret = randomBytes(32).toString('base64url') // production: from the environment, the same in every process
  await app.register(errors)
  await app.register(store, { path: ':memory:' })
  await app.register(blocklist)
  await app.register(cookies, { origin: 'http://localhost:3000' }) // the refresh cookie is sent to /auth only; refreshPath changes that
  await app.register(jwt, { secret: randomBytes(32), trusted: (_request, claims) => !app.portcullis.blocklist.isRevoked(claims) })
  await app.register(refreshToken, {
    secret,
    // A revocation finds the token by sid and epoch.
    accessToken: ({ subject, sid, generation, record }) => app.jwt.sign({ sub: subject, sid, gen: generation, epoch: record.epoch }, { expiresIn: '10m' })
  })

  app.post<{ Body: Credentials }>('/auth/login', { schema: { body: credentials } }, async (request, reply) => {
    const user = await checkPassword(request.body)
    if (user === null) return await reply.code(401).send({ message: 'The user name or the password is wrong' })
    return await reply.openFamily(user)
  })

  app.post('/auth/refresh', async (_request, reply) => await reply.rotateFamily())

  app.post('/auth/logout', async (request, reply) => {
    const { sid } = await request.jwtVerify<{ sid: string }>()
    await app.portcullis.blocklist.revoke({ sid })
    app.portcullis.cookies.clear(reply, 'refresh')
    return await reply.code(204).send()
  })

  app.get('/orders', async request => {
    const { sub } = await request.jwtVerify<{ sub: string }>()
    return { orders: [], of: sub }
  })
  return app
}

if (import.meta.main) await (await build()).listen({ port: 3000 })
