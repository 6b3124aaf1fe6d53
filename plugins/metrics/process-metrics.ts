import { Registry, collectDefaultMetrics } from 'prom-client'

let registry: Registry | null = null

/** The process's own metrics: memory, CPU, event loop, garbage collection. Their observers cannot be taken away, so there is one set a process. */
export function processMetrics (): Registry {
  if (registry === null) collectDefaultMetrics({ register: registry = new Registry() })
  return registry
}
