import httpProxy from '@fastify/http-proxy'
import jwt from '@fastify/jwt'
import redis from '@fastify/redis'
import Fastify from 'fastify'
import { argsOfParent } from '../child.ts'
import { servePeer } from './serve.ts'

export interface HandWrittenArgs {
  upstream: string
  redis: string
  /** The public key in PEM. */
  publicKey: string
  issuer: string
  audience: string
  isCached: boolean
}

/**
 * A typical hand-written gateway: verify the token, ask Redis whether it was revoked, proxy. Key, algorithm, issuer and audience
 * are given once, which is the fastest use of @fastify/jwt.
 */
const { upstream, redis: url, publicKey, issuer, audience, isCached } = argsOfParent<HandWrittenArgs>()
const app = Fastify()
await app.register(redis, { url })
await app.register(jwt, {
  secret: { public: publicKey },
  verify: { algorithms: ['ES256'], allowedIss: issuer, allowedAud: audience, ...isCached ? { cache: true } : {} }
})
app.addHook('onRequest', async (request, reply) => {
  const { jti } = await request.jwtVerify<{ jti: string }>()
  if (await app.redis.get(`revoked:${jti}`) !== null) return await reply.code(401).send({ message: 'revoked' })
})
await app.register(httpProxy, { upstream })
await servePeer(app)
