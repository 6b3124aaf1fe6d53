import { Registry, collectDefaultMetrics } from 'prom-client'

let registry: Registry | null = null

/**
 * Returns the metrics of the process: memory, CPU, event loop, garbage collection. Their observers cannot be removed, so a process has one
 * set.
 */
export function processMetrics (): Registry {
  if (registry !== null) return registry
  collectDefaultMetrics({ register: registry = new Registry() })
  // These gauges have the suffix of a counter, which Prometheus' own check rejects; nodejs_active_resources and similar ones are more
  // detailed.
  for (const name of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${name}_total`)
  return registry
}
