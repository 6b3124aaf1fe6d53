/** A registry of prom-client. Its members are named here so that the types need no prom-client. */
export interface MetricsRegistry {
  readonly contentType: string
  metrics (): Promise<string>
  registerMetric (metric: never): void
  getSingleMetric (name: string): unknown
  removeSingleMetric (name: string): void
}

export interface Metrics {
  /** Returns all metrics in Prometheus' text format. */
  text (): Promise<string>
  /** Value of Content-Type for `text`. */
  readonly contentType: string
  /** Registry of the metrics for prom-client, which can aggregate those of several processes. */
  readonly registry: MetricsRegistry
}
