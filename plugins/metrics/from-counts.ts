import { Counter, Gauge, type Metric, type Registry } from 'prom-client'
import type { Durations } from '../../lib/histogram.ts'

/*
 * prom-client hashes the labels of every observation. Events of every request are therefore counted in plain numbers elsewhere, and
 * converted to metrics only when they are read.
 */

export interface Sample { labels: Record<string, string>, value: number }

interface Named { name: string, help: string }

const ownPrefix = 'portcullis_'

/** Where metrics are added: a registry, and the beginning of their names there. */
export class Target {
  readonly registry: Registry
  readonly #prefix: string
  readonly #added: string[] = []

  constructor (registry: Registry, prefix: string = ownPrefix) {
    this.registry = registry
    this.#prefix = prefix
  }

  /** Returns the registry and the name of a new metric. */
  named<Metric extends Named> (metric: Metric): Metric & { registers: Registry[] } {
    const name = this.#prefix + metric.name.slice(ownPrefix.length)
    if (this.registry.getSingleMetric(name) === undefined) this.#added.push(name)
    return { ...metric, name, registers: [this.registry] }
  }

  /** Removes what was added, and nothing that the registry had before. */
  removeAll (): void {
    for (const name of this.#added.splice(0)) this.registry.removeSingleMetric(name)
  }
}

/** Adds a counter whose values are determined when it is read. */
export function addCounter (target: Target, named: Named & { labelNames: string[] }, read: () => Iterable<Sample>): void {
  const counter = new Counter({
    ...target.named(named),
    collect () {
      counter.reset()
      for (const { labels, value } of read()) counter.inc(labels, value)
    }
  })
}

/** Adds a gauge whose value is determined when it is read. `aggregator` combines the values of several processes. */
export function addGauge (target: Target, named: Named & { aggregator: 'max' | 'min' | 'sum' }, read: () => number): void {
  const gauge = new Gauge({ ...target.named(named), collect () { gauge.set(read()) } })
}

/** Adds a gauge with a value for each combination of labels. */
export function addLabelledGauge (target: Target, named: Named & { aggregator: 'max' | 'min' | 'sum', labelNames: string[] }, read: () => Array<{ labels: Record<string, string>, value: number }>): void {
  const gauge = new Gauge({ ...target.named(named), collect () { for (const { labels, value } of read()) gauge.set(labels, value) } })
}

/** Adds a gauge that is always 1 and reports its labels. */
export function addInfo (target: Target, named: Named, labels: Record<string, string>): void {
  new Gauge({ ...target.named(named), labelNames: Object.keys(labels), aggregator: 'max' }).set(labels, 1)
}

/** Durations of one set of labels. */
export interface DurationSample { labels: Record<string, string>, durations: Durations }

/** Adds a histogram of the durations at the time when it is read. Each set of labels occurs once. */
export function addHistogram (target: Target, { name: ownName, help }: Named, read: () => DurationSample[]): void {
  const { name } = target.named({ name: ownName, help })
  const get = async (): Promise<object> => ({ name, help, type: 'histogram', aggregator: 'sum', values: read().flatMap(sample => histogramValues(name, sample)) })
  // A registry requires only these members of a metric, although its type names the classes of the library.
  target.registry.registerMetric({ name, help, get } as unknown as Metric)
}

function histogramValues (name: string, { labels, durations: { bounds, counts, sum } }: DurationSample): object[] {
  let total = 0
  const buckets = [...bounds, '+Inf'].map((bound, bucket) => {
    total += counts[bucket]!
    return { metricName: `${name}_bucket`, labels: { ...labels, le: String(bound) }, value: total }
  })
  return [...buckets, { metricName: `${name}_sum`, labels, value: sum }, { metricName: `${name}_count`, labels, value: total }]
}
