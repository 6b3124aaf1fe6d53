import jwt from '@fastify/jwt'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { randomBytes } from 'node:crypto'
import { accessToken, authenticate, authRoutes, blocklist, cookies, errors, keys, rateLimit, refreshToken, serverOptions, session, store } from '../../index.ts'
import { checkPassword } from '../users.ts'

const origin = 'http://localhost:3000'
const audience = 'orders'

export interface FromJwtOptions {
  /** Secret of the tokens that the application signed with @fastify/jwt before. */
  oldSecret: string
  /** Time from which old tokens are refused, in milliseconds since the epoch: the time of the deployment, and the lifetime of the last old token. */
  oldTokensUntil: number
}

/**
 * Builds an application that signed its own long-lived tokens, and now issues short access tokens with rotating refresh tokens. Users stay
 * signed in: old tokens are accepted until `oldTokensUntil`, and a sign-out everywhere revokes them at once.
 */
export async function build ({ oldSecret, oldTokensUntil }: FromJwtOptions): Promise<FastifyInstance> {
  const secret = randomBytes(32).toString('base64url') // production: from the environment, the same in every process
  const app = Fastify(serverOptions({ origin }))
  await app.register(errors, { origin })
  await app.register(store, { path: ':memory:' }) // production: a file, or { type: 'redis', url }
  await app.register(rateLimit)
  await app.register(blocklist, { maxForeignTokenAge: '7d' }) // the lifetime of old tokens, also below: one that lives longer would become valid again
  await app.register(cookies, { origin })
  await app.register(keys, { secret })
  await app.register(accessToken, { issuer: origin })
  await app.register(session)
  await app.register(refreshToken, { secret, accessToken: ({ record, audience, generation }) => app.portcullis.accessToken.issue(record, { audience, generation }) })
  await app.register(authenticate, { origin })
  await app.register(authRoutes, { prefix: '/auth', origin, audiences: [audience], identity: { verify: checkPassword } })
  await app.register(jwt, { secret: oldSecret, verify: { algorithms: ['HS256'], maxAge: '7d' }, trusted: (_request, claims) => Date.now() < oldTokensUntil && !app.portcullis.blocklist.isRevoked(claims) })

  const authenticateNow = app.portcullis.authenticate({ audience })
  // The hook lets a request with an old token go on without an identity; subjectOf then verifies the token as before.
  const signedIn = app.portcullis.authenticate({ audience, access: 'public' })
  async function subjectOf (request: FastifyRequest): Promise<string> {
    if (request.identityOrNull !== null) return request.identityOrNull.subject
    try {
      return (await request.jwtVerify<{ sub: string }>()).sub
    } catch (cause) {
      throw Object.assign(new Error('The token is invalid', { cause }), { statusCode: 401 })
    }
  }

  app.get('/orders', { onRequest: signedIn }, async request => ({ orders: [], of: await subjectOf(request) }))
  // Routes that old tokens never reached need no such care.
  app.get('/invoices', { onRequest: authenticateNow }, async ({ identity }) => ({ invoices: [], of: identity.subject }))

  // Ends the sessions of the user, and all of the user's old tokens.
  app.post('/sign-out-everywhere', { onRequest: signedIn }, async (request, reply) => {
    await app.portcullis.blocklist.revoke({ subject: await subjectOf(request) })
    return await reply.code(204).send()
  })
  return app
}

if (import.meta.main) {
  const oldSecret = process.env['JWT_SECRET']
  if (oldSecret === undefined) throw new Error('JWT_SECRET is missing: the secret of the old tokens')
  await (await build({ oldSecret, oldTokensUntil: Date.parse('2027-01-31') })).listen({ port: 3000 }) // the deployment, and 7 days
  console.log('http://localhost:3000')
}
