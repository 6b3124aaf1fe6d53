import { Registry, collectDefaultMetrics } from 'prom-client'

let registry: Registry | null = null

/**
 * Returns the metrics of the process: memory, CPU, event loop, garbage collection. Their observers cannot be removed, so a process has one
 * set.
 */
export function processMetrics (): Registry {
  if (registry !== null) return registry
  addProcessMetrics(registry = new Registry())
  return registry
}

/** Adds the metrics of the process to a registry. Throws if it has one of them. */
export function addProcessMetrics (to: Registry): void {
  collectDefaultMetrics({ register: to })
  // These gauges have the suffix of a counter, which Prometheus' own check rejects; nodejs_active_resources and similar ones are more
  // detailed.
  for (const name of ['handles', 'requests', 'resources']) to.removeSingleMetric(`nodejs_active_${name}_total`)
}
