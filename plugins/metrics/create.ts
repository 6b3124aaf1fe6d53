import type { FastifyInstance } from 'fastify'
import { Registry } from 'prom-client'
import { ConfigInvalidError } from '../../lib/errors.ts'
import { listenTo } from '../../lib/events.ts'
import { describeError } from '../errors.ts'
import type { VerificationCounts } from '../authenticate/verifier.ts'
import type { Metrics, MetricsRegistry } from './registry.ts'
import { partsWithin, type Portcullis } from '../portcullis.ts'
import type { UpstreamCounts } from '../proxy/upstream.ts'
import { version } from '../server/version.ts'
import { addCounter, addGauge, addHistogram, addInfo, addLabelledGauge, Target, type Sample } from './from-counts.ts'
import { createEventCounter } from './from-events.ts'
import { addProcessMetrics, processMetrics } from './process-metrics.ts'

interface Settings { registry: MetricsRegistry | undefined, prefix: string, processMetrics: boolean }

/** Creates the metrics of a server, in the registry of the application if there is one. They end with the server. */
export function createMetrics (fastify: FastifyInstance, portcullis: Portcullis, { registry: given, prefix, processMetrics: measuresProcess }: Settings): Metrics {
  const registry = given === undefined ? new Registry() : given as unknown as Registry
  const target = new Target(registry, prefix)
  fastify.addHook('onClose', async () => { target.removeAll() })
  try {
    addAll(target, fastify, portcullis)
    if (given !== undefined && measuresProcess) addProcessMetrics(registry)
  } catch (cause) {
    target.removeAll()
    throw new ConfigInvalidError(`portcullis-metrics: registry has a metric of the same name: ${(cause as Error).message}; set prefix, or processMetrics: false`, { cause })
  }
  const all = given === undefined && measuresProcess ? Registry.merge([registry, processMetrics()]) : registry
  return { registry: all as unknown as MetricsRegistry, contentType: all.contentType, text: async () => await all.metrics() }
}

function addAll (target: Target, fastify: FastifyInstance, portcullis: Portcullis): void {
  addVerifications(target, portcullis)
  addUpstreams(target, portcullis)
  addGauges(target, portcullis)
  addRateLimits(target, portcullis)
  addLogEntries(target, portcullis)
  addInfo(target, { name: 'portcullis_build_info', help: 'Always 1. The versions of Portcullis and of Node that run.' }, { version, node: process.versions.node })
  const stopListening = listenTo(portcullis, createEventCounter(target), error => { fastify.log.error({ error: describeError(error) }, 'an event could not be counted') })
  fastify.addHook('onClose', async () => { stopListening() })
}

/** Adds the counts of verifications. An application may omit `authenticate` and `proxy`, or register them later, also in inner scopes. */
function addVerifications (target: Target, portcullis: Portcullis): void {
  const named = { name: 'portcullis_verifications_total', help: 'Credentials verified. cache: hit when the answer came from memory, miss when a signature had to be checked or the store to be asked.', labelNames: ['credential', 'outcome', 'cache'] }
  addCounter(target, named, () => partsWithin(portcullis, 'verifications').flatMap(counts => [...verificationSamples(counts)]))
  addHistogram(target, { name: 'portcullis_verification_seconds', help: 'How long verifications took; one in 64 is timed.' }, () => partsWithin(portcullis, 'verifications').map(({ durations }) => ({ labels: {}, durations })))
}

function * verificationSamples ({ byCredential }: VerificationCounts): Generator<Sample> {
  for (const [credential, byCache] of Object.entries(byCredential)) {
    for (const [cache, byOutcome] of Object.entries(byCache)) {
      for (const [outcome, value] of Object.entries(byOutcome)) yield { labels: { credential, outcome, cache }, value }
    }
  }
}

function addUpstreams (target: Target, portcullis: Portcullis): void {
  const named = { name: 'portcullis_upstream_requests_total', help: 'Requests that were forwarded, by the upstream\'s prefix and what the client was answered; 499 when it went away before.', labelNames: ['upstream', 'status'] }
  addCounter(target, named, () => upstreamsOf(portcullis).flatMap(({ upstream, byStatus }) => Array.from(byStatus, ([status, value]) => ({ labels: { upstream, status: String(status) }, value }))))
  addLabelledGauge(target, { name: 'portcullis_upstream_targets', aggregator: 'max', help: 'Targets of each upstream, by its prefix and by whether their health checks succeed.', labelNames: ['upstream', 'state'] }, () => upstreamsOf(portcullis).flatMap(countTargets))
  addHistogram(target, { name: 'portcullis_upstream_seconds', help: 'From the start of forwarding to the end of the answer, by the upstream\'s prefix.' }, () => upstreamsOf(portcullis).map(({ upstream, durations }) => ({ labels: { upstream }, durations })))
}

/** Adds the counts of budgets. The plugin is optional, and may be registered later, also in inner scopes. */
function addRateLimits (target: Target, portcullis: Portcullis): void {
  const named = { name: 'portcullis_rate_limited_total', help: 'Requests that were refused because a budget was used up.', labelNames: ['budget'] }
  addCounter(target, named, () => partsWithin(portcullis, 'rateLimit').flatMap(({ limited }) => Array.from(limited, ([budget, value]) => ({ labels: { budget }, value }))))
}

/** Counts revocations and changes of keys by any process or command, as this process reads them in the store's log. */
function addLogEntries (target: Target, { blocklist }: Pick<Portcullis, 'blocklist'>): void {
  const counts = new Map<string, number>([['sid', 0], ['jti', 0], ['subject', 0], ['all', 0], ['keys', 0]])
  blocklist.subscribe(entry => {
    if (entry !== 'gap' && entry.kind !== 'changed') counts.set(entry.kind, (counts.get(entry.kind) ?? 0) + 1)
  })
  const named = { name: 'portcullis_log_entries_total', help: 'Revocations and changes of the signing keys that this process has read from the log of the store, whichever process or command made them.', labelNames: ['kind'] }
  addCounter(target, named, () => Array.from(counts, ([kind, value]) => ({ labels: { kind }, value })))
}

function countTargets ({ upstream, targets }: UpstreamCounts): Array<{ labels: Record<string, string>, value: number }> {
  const down = targets.filter(({ isDown }) => isDown).length
  return [{ labels: { upstream, state: 'up' }, value: targets.length - down }, { labels: { upstream, state: 'down' }, value: down }]
}

/** Returns the upstreams of the scope. An inherited list is ignored, because it contains the upstreams of other scopes. */
function upstreamsOf (portcullis: Portcullis): UpstreamCounts[] {
  return Object.hasOwn(portcullis, 'upstreams') ? portcullis.upstreams : []
}

function addGauges (target: Target, portcullis: Portcullis): void {
  const { blocklist } = portcullis
  addGauge(target, { name: 'portcullis_blocklist_entries', aggregator: 'max', help: 'Revocations in force, as this process knows them.' }, () => blocklist.size)
  addGauge(target, { name: 'portcullis_blocklist_staleness_seconds', aggregator: 'max', help: 'How long ago this process heard from the store.' }, () => blocklist.stalenessMs / 1000)
  addGauge(target, { name: 'portcullis_streams_open', aggregator: 'sum', help: 'Streams that are open.' }, () => partsWithin(portcullis, 'streams').reduce((sum, { open }) => sum + open, 0))
}
