import { Registry, collectDefaultMetrics } from 'prom-client'

let registry: Registry | null = null

/** The process's own metrics: memory, CPU, event loop, garbage collection. Their observers cannot be taken away, so there is one set a process. */
export function processMetrics (): Registry {
  if (registry !== null) return registry
  collectDefaultMetrics({ register: registry = new Registry() })
  // Gauges with the ending of a counter, which Prometheus' own check refuses; nodejs_active_resources and the like say more.
  for (const name of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${name}_total`)
  return registry
}
