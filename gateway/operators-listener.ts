import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import type { AdminConfig, Config } from '../config/config.ts'
import { issuersOf } from '../config/issuers.ts'
import { CsrfRefusedError } from '../lib/errors.ts'
import { publish, sourceOf } from '../lib/events.ts'
import { loggedPath } from '../lib/http/logged-path.ts'
import { mayBeRebound } from '../lib/http/rebinding.ts'
import { sweep } from '../plugins/drain.ts'
import errors, { createOwnHeadersHook } from '../plugins/errors.ts'
import { addPart } from '../plugins/portcullis.ts'
import { serverOptions } from '../plugins/server-options.ts'
import adminRoutes, { refuseOtherSites } from '../routes/admin.ts'
import healthRoutes from '../routes/health.ts'
import metricsRoutes from '../routes/metrics.ts'

declare module '../plugins/portcullis.ts' {
  interface Portcullis {
    /** The operators' listener; present when the configuration has `admin`. */
    admin: FastifyInstance
  }
}

const closingMs = 1000

/**
 * Adds a separate server for operators, with a separate address: health, metrics, administration. It listens as soon as the gateway
 * is ready and closes after the gateway has drained, so that readiness can be queried throughout.
 */
export async function addAdmin (gateway: FastifyInstance, { host, port, token }: AdminConfig, config: Config): Promise<void> {
  const admin = Fastify({ ...serverOptions(config.limits), loggerInstance: gateway.log })
  admin.decorate('portcullis', gateway.portcullis)
  admin.addHook('onRequest', async request => { refuseBrowsers(request, host) })
  admin.addHook('onSend', createOwnHeadersHook(undefined))
  admin.addHook('onSend', async (_request, reply) => { if (!reply.hasHeader('cache-control')) void reply.header('cache-control', 'no-store') })
  admin.addHook('preClose', async () => { sweep(admin, closingMs) })
  await admin.register(errors, { shape: 'all', notFound: true })
  await admin.register(healthRoutes)
  await admin.register(metricsRoutes)
  await admin.register(adminRoutes, { prefix: '/admin', token, issuers: issuersOf(config) })

  addPart(gateway, 'admin', admin)
  // Fastify runs the hooks in reverse order of registration, and closes the gateway's own server before all of them.
  gateway.addHook('onClose', async () => { await admin.close() })
  gateway.addHook('onReady', async () => { await listen(admin, { host, port }) })
}

/** Rejects requests from pages of other sites on every route of the listener, metrics and health included. */
function refuseBrowsers (request: FastifyRequest, host: string): void {
  refuseOtherSites(request)
  if (!mayBeRebound(request.headers, host)) return
  publish({ event: 'csrf.refused', ...sourceOf(request), method: request.method, path: loggedPath(request.originalUrl), outcome: 'admin' }, request.server.portcullis)
  throw new CsrfRefusedError({ cause: new Error('a browser asks by a name that is not admin.host; open it by its address') })
}

async function listen (admin: FastifyInstance, address: { host: string, port: number }): Promise<void> {
  try {
    await admin.listen(address)
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    throw new Error(`admin: ${address.host}:${address.port} cannot be listened on (${code ?? 'unknown'}); choose another port, or end what uses it`, { cause })
  }
}
