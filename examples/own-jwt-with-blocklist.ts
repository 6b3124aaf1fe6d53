import jwt from '@fastify/jwt'
import Fastify, { type FastifyInstance } from 'fastify'
import { randomBytes, randomUUID } from 'node:crypto'
import { blocklist, store } from '../index.ts'
import { checkPassword, credentials, type Credentials } from './users.ts'

/** Builds an application with its own @fastify/jwt, whose tokens can be revoked before they expire. */
export async function build (): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(store, { path: ':memory:' }) // production: a file, or { type: 'redis', url }
  await app.register(blocklist, { maxTokenAge: '15m', maxStaleness: '2s' })
  await app.register(jwt, { secret: randomBytes(32), trusted: (_request, claims) => !app.portcullis.blocklist.isRevoked(claims) })

  app.post<{ Body: Credentials }>('/login', { schema: { body: credentials } }, async (request, reply) => {
    const user = await checkPassword(request.body)
    if (user === null) return await reply.code(401).send({ message: 'The user name or the password is wrong' })
    return { token: app.jwt.sign({ sub: user.subject, jti: randomUUID() }, { expiresIn: '15m' }) }
  })

  app.get('/orders', async request => {
    const { sub } = await request.jwtVerify<{ sub: string }>()
    return { orders: [], of: sub }
  })

  app.post('/logout', async (request, reply) => {
    const { jti, exp } = await request.jwtVerify<{ jti: string, exp: number }>()
    await app.portcullis.blocklist.revoke({ jti, expiresAt: exp })
    return await reply.code(204).send()
  })
  return app
}

if (import.meta.main) await (await build()).listen({ port: 3000 })
