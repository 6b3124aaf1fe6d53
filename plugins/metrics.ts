import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { assertMethods, checkOptions } from '../lib/check-options.ts'
import { loadPackages } from '../lib/load-packages.ts'
import type { Metrics, MetricsRegistry } from './metrics/registry.ts'
import { addPart, beginPart } from './portcullis.ts'

export type { Metrics, MetricsRegistry }

declare module './portcullis.ts' {
  interface Portcullis {
    metrics: Metrics
  }
}

export interface MetricsOptions {
  /** Registry of the application, to which the metrics are added. They are removed when the server closes. Default: a registry for them alone. */
  registry?: MetricsRegistry
  /** Beginning of the names, in place of `portcullis_`. Default `portcullis_`. */
  prefix?: string
  /** Whether memory, CPU and event loop of the process are measured too. Default true; false with `registry`, which may have them already. */
  processMetrics?: boolean
}

const Options = Type.Object({
  registry: Type.Optional(Type.Unsafe<MetricsRegistry>(Type.Object({}, { errorMessage: 'must be a registry of prom-client' }))),
  prefix: Type.String({ pattern: '^[a-zA-Z_:][a-zA-Z0-9_:]*$', maxLength: 100, default: 'portcullis_', errorMessage: 'must be letters, digits and _' }),
  processMetrics: Type.Optional(Type.Boolean())
}, { additionalProperties: false })

/** Counts the events of this server for Prometheus. `metricsRoutes` serves the counts. Requires the package prom-client. */
export default fp<MetricsOptions>(async function metricsPlugin (fastify, options) {
  const { registry, prefix, processMetrics = registry === undefined } = checkOptions('portcullis-metrics', Options, { ...options, prefix: namesRoutes(options.prefix) ? undefined : options.prefix })
  assertMethods('portcullis-metrics: registry', registry, ['metrics', 'registerMetric', 'getSingleMetric', 'removeSingleMetric'], 'a registry of prom-client')
  const portcullis = beginPart(fastify, 'metrics')
  const { createMetrics } = await loadPackages('portcullis-metrics', ['prom-client'], loadCreate)
  addPart(fastify, 'metrics', createMetrics(fastify, portcullis, { registry, prefix, processMetrics }))
}, { name: 'portcullis-metrics', fastify: '5.x', dependencies: ['portcullis-blocklist'] })

// The compiler does not rewrite the name of a file that is imported inside of an `export default`.
const loadCreate = async () => await import('./metrics/create.ts')

/** Returns whether a prefix is one of routes, which @fastify/autoload gives to every plugin. */
function namesRoutes (prefix: unknown): boolean {
  return typeof prefix === 'string' && prefix.startsWith('/')
}
