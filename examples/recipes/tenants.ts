import Fastify, { type FastifyInstance } from 'fastify'
import { authenticate, blocklist, cookies, errors, pagesRoutes, rateLimit, serverOptions, session, store, type StoreOptions } from '../../index.ts'
import { checkPassword } from '../users.ts'

export interface Tenant {
  /** Origin at which browsers reach the tenant, such as https://red.example.com. */
  origin: string
  /** Store of the tenant. No session, revocation or budget of one tenant is visible to another. */
  store: StoreOptions
}

/** Builds one server for several tenants: each has its origin, its store, its users' sessions, and its own sign-in page. */
export async function build (tenants: readonly Tenant[]): Promise<FastifyInstance> {
  const app = Fastify(serverOptions())
  for (const { origin, store: storeOptions } of tenants) {
    const { host } = new URL(origin)
    await app.register(async tenant => {
      // Every route of the tenant answers at the tenant's host only. Another host gets 404.
      tenant.addHook('onRoute', route => { route.constraints = { ...route.constraints, host } })
      await tenant.register(errors, { origin })
      await tenant.register(store, storeOptions)
      await tenant.register(rateLimit)
      await tenant.register(blocklist)
      await tenant.register(cookies, { origin })
      await tenant.register(session)
      await tenant.register(authenticate, { origin })
      await tenant.register(pagesRoutes, { prefix: '/auth', origin, audiences: ['files'], identity: { verify: checkPassword } })
      tenant.get('/files', { onRequest: tenant.portcullis.authenticate({ audience: 'files' }) }, async ({ identity }) => ({ tenant: origin, of: identity.subject }))
    })
  }
  return app
}

if (import.meta.main) {
  const app = await build([
    { origin: 'http://localhost:3000', store: { path: './red.db' } }, // production: https://red.example.com
    { origin: 'http://127.0.0.1:3000', store: { path: './blue.db' } } // production: https://blue.example.com
  ])
  console.log(await app.listen({ host: '127.0.0.1', port: 3000 }))
}
