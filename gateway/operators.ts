import Fastify, { type FastifyInstance } from 'fastify'
import { addAdmin } from './operators-listener.ts'
import type { Config } from '../config/config.ts'
import { secretsOf, storeOptions } from '../config/store.ts'
import { blocklistOptions } from './blocklist-options.ts'
import { compareUsers, openPasswordSource, watchUsers } from './password-source.ts'
import { optionsFrom } from '../lib/settings/options.ts'
import { cookieSession } from '../lib/settings/session.ts'
import { logEvents } from './audit-log.ts'
import audit from '../plugins/audit.ts'
import blocklist from '../plugins/blocklist.ts'
import cookies from '../plugins/cookies.ts'
import errors from '../plugins/errors.ts'
import { createHealth } from '../plugins/health.ts'
import { addPart } from '../plugins/portcullis.ts'
import { serverOptions } from '../plugins/server-options.ts'
import session from '../plugins/session.ts'
import store from '../plugins/store.ts'

export interface WorkersView {
  /** Returns whether all workers can verify credentials. */
  isReady (): boolean
  /** Returns the metrics of all workers in Prometheus' text format; null without the operators' listener. */
  metrics: (() => Promise<string>) | null
}

/**
 * Composes the primary process of several workers: the operators' listener, and the tasks that run once. It serves no client, and
 * follows the store as every worker does.
 */
export async function composeOperators (config: Config, workers: WorkersView): Promise<FastifyInstance> {
  const app = Fastify(serverOptions({ logger: { level: config.log.level } }))
  try {
    await addPlugins(app, config)
    addPart(app, 'health', createHealth(() => app.portcullis.blocklist.isFresh() && workers.isReady()))
    const passwords = await openPasswordSource(app, config)
    // Called before the metrics exist, because the workers already report whether the file can be read.
    await watchUsers(app, passwords)
    if (workers.metrics !== null) await addMetrics(app, workers.metrics)
    await compareUsers(app, passwords, { config, secrets: await secretsOf(config) })
    if (config.admin !== null) await addAdmin(app, config.admin, config)
    await app.ready()
    return app
  } catch (error) {
    await app.close()
    throw error
  }
}

/** Adds the metrics of the workers, and those that this process has alone. */
async function addMetrics (app: FastifyInstance, ofWorkers: () => Promise<string>): Promise<void> {
  const { Registry } = await import('prom-client')
  const registry = new Registry()
  addPart(app, 'metrics', { contentType: registry.contentType, registry, text: async () => `${await ofWorkers()}${await registry.metrics()}` })
}

async function addPlugins (app: FastifyInstance, config: Config): Promise<void> {
  await app.register(errors, { shape: 'all', notFound: true })
  await app.register(store, await storeOptions(config))
  await app.register(audit, { sink: logEvents(app.log) })
  await app.register(blocklist, blocklistOptions(config))
  await app.register(cookies, { origin: config.origin, ...config.cookies })
  await app.register(session, optionsFrom(cookieSession, config.session))
}
