import { Type } from '@sinclair/typebox'
import fp from 'fastify-plugin'
import { Registry } from 'prom-client'
import { listenTo } from '../lib/events.ts'
import { checkOptions } from '../lib/check-options.ts'
import { describeError } from './errors.ts'
import type { UpstreamCounts } from './proxy/upstream.ts'
import type { VerificationCounts } from './authenticate/verifier.ts'
import { createEventCounter } from './metrics/from-events.ts'
import { addCounter, addGauge, addHistogram, addInfo, addLabelledGauge, type Sample } from './metrics/from-counts.ts'
import { processMetrics } from './metrics/process-metrics.ts'
import { addPart, beginPart, partsWithin, type Portcullis } from './portcullis.ts'
import { version } from './server/version.ts'

declare module './portcullis.ts' {
  interface Portcullis {
    metrics: Metrics
  }
}

export interface Metrics {
  /** Returns all metrics in Prometheus' text format. */
  text (): Promise<string>
  /** Value of Content-Type for `text`. */
  readonly contentType: string
  /** Registry of the metrics for prom-client, which can aggregate those of several processes. */
  readonly registry: Registry
}

const Options = Type.Object({}, { additionalProperties: false })

/** Counts the events of this server for Prometheus. `metricsRoutes` serves the counts. */
export default fp(async function metricsPlugin (fastify, options) {
  checkOptions('portcullis-metrics', Options, options)
  const portcullis = beginPart(fastify, 'metrics')
  const registry = new Registry()
  addVerifications(registry, portcullis)
  addUpstreams(registry, portcullis)
  addGauges(registry, portcullis)
  addRateLimits(registry, portcullis)
  addLogEntries(registry, portcullis)
  addInfo(registry, { name: 'portcullis_build_info', help: 'Always 1. The versions of Portcullis and of Node that run.' }, { version, node: process.versions.node })
  const stopListening = listenTo(portcullis, createEventCounter(registry), error => { fastify.log.error({ error: describeError(error) }, 'an event could not be counted') })
  fastify.addHook('onClose', async () => { stopListening() })
  const all = Registry.merge([registry, processMetrics()])
  addPart(fastify, 'metrics', { registry: all, contentType: all.contentType, text: async () => await all.metrics() })
}, { name: 'portcullis-metrics', fastify: '5.x', dependencies: ['portcullis-blocklist'] })

/** Adds the counts of verifications. An application may omit `authenticate` and `proxy`, or register them later, also in inner scopes. */
function addVerifications (registry: Registry, portcullis: Portcullis): void {
  const named = { name: 'portcullis_verifications_total', help: 'Credentials verified. cache: hit when the answer came from memory, miss when a signature had to be checked or the store to be asked.', labelNames: ['credential', 'outcome', 'cache'] }
  addCounter(registry, named, () => partsWithin(portcullis, 'verifications').flatMap(counts => [...verificationSamples(counts)]))
  addHistogram(registry, { name: 'portcullis_verification_seconds', help: 'How long verifications took; one in 64 is timed.' }, () => partsWithin(portcullis, 'verifications').map(({ durations }) => ({ labels: {}, durations })))
}

function * verificationSamples ({ byCredential }: VerificationCounts): Generator<Sample> {
  for (const [credential, byCache] of Object.entries(byCredential)) {
    for (const [cache, byOutcome] of Object.entries(byCache)) {
      for (const [outcome, value] of Object.entries(byOutcome)) yield { labels: { credential, outcome, cache }, value }
    }
  }
}

function addUpstreams (registry: Registry, portcullis: Portcullis): void {
  const named = { name: 'portcullis_upstream_requests_total', help: 'Requests that were forwarded, by the upstream\'s prefix and what the client was answered; 499 when it went away before.', labelNames: ['upstream', 'status'] }
  addCounter(registry, named, () => upstreamsOf(portcullis).flatMap(({ upstream, byStatus }) => Array.from(byStatus, ([status, value]) => ({ labels: { upstream, status: String(status) }, value }))))
  addLabelledGauge(registry, { name: 'portcullis_upstream_targets', aggregator: 'max', help: 'Targets of each upstream, by its prefix and by whether their health checks succeed.', labelNames: ['upstream', 'state'] }, () => upstreamsOf(portcullis).flatMap(countTargets))
  addHistogram(registry, { name: 'portcullis_upstream_seconds', help: 'From the start of forwarding to the end of the answer, by the upstream\'s prefix.' }, () => upstreamsOf(portcullis).map(({ upstream, durations }) => ({ labels: { upstream }, durations })))
}

/** Adds the counts of budgets. The plugin is optional, and may be registered later, also in inner scopes. */
function addRateLimits (registry: Registry, portcullis: Portcullis): void {
  const named = { name: 'portcullis_rate_limited_total', help: 'Requests that were refused because a budget was used up.', labelNames: ['budget'] }
  addCounter(registry, named, () => partsWithin(portcullis, 'rateLimit').flatMap(({ limited }) => Array.from(limited, ([budget, value]) => ({ labels: { budget }, value }))))
}

/** Counts revocations and changes of keys by any process or command, as this process reads them in the store's log. */
function addLogEntries (registry: Registry, { blocklist }: Pick<Portcullis, 'blocklist'>): void {
  const counts = new Map<string, number>([['sid', 0], ['jti', 0], ['subject', 0], ['all', 0], ['keys', 0]])
  blocklist.subscribe(entry => {
    if (entry !== 'gap' && entry.kind !== 'changed') counts.set(entry.kind, (counts.get(entry.kind) ?? 0) + 1)
  })
  const named = { name: 'portcullis_log_entries_total', help: 'Revocations and changes of the signing keys that this process has heard of, whichever process or command made them.', labelNames: ['kind'] }
  addCounter(registry, named, () => Array.from(counts, ([kind, value]) => ({ labels: { kind }, value })))
}

function countTargets ({ upstream, targets }: UpstreamCounts): Array<{ labels: Record<string, string>, value: number }> {
  const down = targets.filter(({ isDown }) => isDown).length
  return [{ labels: { upstream, state: 'up' }, value: targets.length - down }, { labels: { upstream, state: 'down' }, value: down }]
}

/** Returns the upstreams of the scope. An inherited list is ignored, because it contains the upstreams of other scopes. */
function upstreamsOf (portcullis: Portcullis): UpstreamCounts[] {
  return Object.hasOwn(portcullis, 'upstreams') ? portcullis.upstreams : []
}

function addGauges (registry: Registry, portcullis: Portcullis): void {
  const { blocklist } = portcullis
  addGauge(registry, { name: 'portcullis_blocklist_entries', aggregator: 'max', help: 'Revocations in force, as this process knows them.' }, () => blocklist.size)
  addGauge(registry, { name: 'portcullis_blocklist_staleness_seconds', aggregator: 'max', help: 'How long ago this process heard from the store.' }, () => blocklist.stalenessMs / 1000)
  addGauge(registry, { name: 'portcullis_streams_open', aggregator: 'sum', help: 'Streams that are open.' }, () => partsWithin(portcullis, 'streams').reduce((sum, { open }) => sum + open, 0))
}
