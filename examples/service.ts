import Fastify, { type FastifyInstance } from 'fastify'
import { createRemoteJWKSet, jwtVerify, type JWTPayload } from 'jose'
import { blocklist, errors, store, type StoreOptions } from '../index.ts'

export interface ServiceOptions {
  /** Origin of the gateway, the `iss` of its tokens. */
  issuer: string
  /** Public keys of the gateway. */
  jwks: string
  /** Store of the gateway. */
  sharedStore: StoreOptions
}

/** Builds a service behind the gateway that refuses a token as soon as its session is revoked, not only when it expires. */
export async function build ({ issuer, jwks, sharedStore }: ServiceOptions): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(errors)
  await app.register(store, sharedStore)
  await app.register(blocklist)
  const keys = createRemoteJWKSet(new URL(jwks), { cacheMaxAge: 60_000 })
  const rules = { issuer, audience: 'orders', typ: 'at+jwt', algorithms: ['ES256'], requiredClaims: ['sub', 'jti', 'exp'] }

  async function verify (authorization = ''): Promise<JWTPayload | null> {
    try {
      const { payload } = await jwtVerify(authorization.replace(/^Bearer /, ''), keys, rules)
      return payload
    } catch {
      return null
    }
  }

  app.get('/orders', async (request, reply) => {
    const payload = await verify(request.headers.authorization)
    if (payload === null) return await reply.code(401).header('www-authenticate', 'Bearer').send({ message: 'The token is invalid' })
    await app.portcullis.blocklist.assertNotRevoked(payload) // answers 401 if it is revoked, and 503 if that cannot be known
    return { orders: [], of: payload.sub }
  })
  return app
}

if (import.meta.main) {
  const issuer = 'http://localhost:8080'
  await (await build({ issuer, jwks: `${issuer}/.well-known/jwks.json`, sharedStore: { path: './portcullis.db' } })).listen({ port: 3001 })
}
