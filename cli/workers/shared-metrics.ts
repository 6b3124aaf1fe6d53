import { AggregatorRegistry, type Registry } from 'prom-client'
import type { MetricsRegistry } from '../../plugins/metrics.ts'

/** Makes the metrics of a worker available to the primary process: prom-client then answers its requests itself. */
export function shareMetrics (registry: MetricsRegistry): void {
  AggregatorRegistry.setRegistries(registry as unknown as Registry)
  new AggregatorRegistry() // eslint-disable-line no-new
}

/** Returns a function that collects the metrics of all workers, in the primary process. */
export function createCollector (): () => Promise<string> {
  const metrics = new AggregatorRegistry()
  return async () => await metrics.clusterMetrics()
}
