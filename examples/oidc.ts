import Fastify, { type FastifyInstance } from 'fastify'
import { randomBytes } from 'node:crypto'
import { authenticate, authRoutes, blocklist, cookies, errors, oidc, pagesRoutes, providerRoutes, rateLimit, serverOptions, session, store, type ProviderOptions } from '../index.ts'

declare module '../index.ts' {
  interface SessionData { projects?: string[] }
}

export interface BuildOptions {
  /** Origin that browsers use. The provider knows `<origin>/auth/callback/corp` and `<origin>/auth/backchannel-logout/corp`. */
  origin: string
  /** Settings at the provider. */
  corp: Pick<ProviderOptions, 'issuer' | 'clientId' | 'clientSecret'>
}

/** A placeholder for your own table: the projects of a user, by e-mail address. */
const projects: Record<string, string[]> = { 'ada@example.com': ['engine'] }

/** Builds an application whose users sign in at an identity provider, and whose sessions end when the provider says so. */
export async function build ({ origin, corp }: BuildOptions): Promise<FastifyInstance> {
  const secret = randomBytes(32).toString('base64url') // production: from the environment, the same in every process
  const app = Fastify(serverOptions({ origin }))
  await app.register(errors, { origin })
  await app.register(store, { path: ':memory:' })
  await app.register(rateLimit)
  await app.register(blocklist)
  await app.register(cookies, { origin })
  await app.register(session)
  await app.register(authenticate, { origin })
  await app.register(oidc, {
    secret,
    providers: [{ name: 'corp', ...corp, claims: ['email', 'groups'], grant: [{ scopes: ['read'] }, { claim: 'groups', value: 'staff', scopes: ['write'] }] }],
    // It runs at each sign-in. What it throws refuses the user, and what it returns is kept with the session.
    onSignIn (_request, { claims }) {
      if (claims['email_verified'] !== true) throw Object.assign(new Error('the address is not verified'), { statusCode: 403 })
      return { data: { projects: projects[String(claims['email'])] ?? [] } }
    }
  })
  const routes = { prefix: '/auth', origin, audiences: ['projects'] }
  await app.register(authRoutes, routes)
  await app.register(pagesRoutes, routes)
  await app.register(providerRoutes, routes)

  const read = app.portcullis.authenticate({ audience: 'projects', scopes: ['read'] })
  app.get('/projects', { onRequest: read }, async ({ identity }) => ({ of: identity.subject, claims: identity.provider?.claims, data: identity.data }))

  // The provider must have authenticated the user within five minutes.
  const remove = app.portcullis.authenticate({ audience: 'projects', scopes: ['write'], stepUp: { maxAge: '5m' } })
  app.delete('/projects/:name', { onRequest: remove }, async (_request, reply) => await reply.code(204).send())
  return app
}

if (import.meta.main) {
  const { ISSUER: issuer = 'http://localhost:4000', CLIENT_SECRET: clientSecret = '' } = process.env
  await (await build({ origin: 'http://localhost:3000', corp: { issuer, clientId: 'portcullis', clientSecret } })).listen({ port: 3000 })
}
