// How long does a request take at a steady rate, whatever the answers before it took?

import assert from 'node:assert/strict'
import { pick, startGatewayHops, startUpstream } from './gateway-hops.ts'
import { chosenArms, measureRounds, sayPlacement, spreadOf, type Bench, type BenchContext, type Child } from './harness.ts'
import { browser } from './headers.ts'
import { prepareHops, type Hop } from './hop.ts'
import type { Answered, Requests } from './processes/client.ts'
import { figureOf, type Goal, type Sample, type Table } from './report.ts'

const rates = [1000, 2000, 4000, 8000]
const quickRates = [200]
const connections = 64
/** The greatest acceptable lateness of requests, in milliseconds; beyond it the generator measures itself. */
const latestMs = 5

const measured = ['floor', 'public', 'token', 'cookie']

const columns: Table['columns'] = {
  perSecond: { head: 'requests/s', digits: 0, isThroughput: true },
  p50Ms: { head: 'p50 ms', digits: 2, isThroughput: true },
  p99Ms: { head: 'p99 ms', digits: 2, isThroughput: true },
  p999Ms: { head: 'p99.9 ms', digits: 2, isThroughput: true },
  maxMs: { head: 'longest ms', digits: 1, isThroughput: true },
  lateP99Ms: { head: 'p99 of lateness ms', digits: 2 },
  cpuUs: { head: 'CPU µs/request', digits: 1 }
}

export const bench: Bench = {
  question: 'How long does a request take at a steady rate, whatever the answers before it took?',
  async measure (context) {
    const names = chosenArms(measured, context.arms)
    const { upstream, surroundings } = await startUpstream(context)
    const hops = pick(await startGatewayHops(upstream, context), names)
    await prepareHops(hops, surroundings, context)
    const client = await startClient(hops, context)
    const arms = Object.fromEntries((context.isQuick ? quickRates : rates).flatMap(rate => names.map(name => [`${name} at ${rate}/s`, { name, rate }])))
    const samples = await measureRounds(Object.keys(arms), context, async arm => await measure(client, hops, arms[arm]!, context), ({ figures }) => `p99 ${figures['p99Ms']!.toFixed(1)} ms`)
    const table: Table = {
      title: 'Requests at a steady rate',
      columns,
      plot: { columns: ['p50Ms', 'p99Ms', 'p999Ms'], x: 'requests a second' },
      arms: Object.fromEntries(Object.entries(arms).map(([arm, { name, rate }]) => [arm, { what: hops[name]!.what, rounds: samples[arm]!, at: { series: name, x: rate }, ...voidOn(samples[arm]!) }])),
      notes: ['Latency counts from when a request was due, so a pause is charged to every request that was due in it; so is the generator\'s own lateness.']
    }
    return { conditions: conditions(context), tables: [table], goals: goals(table), notRun: [] }
  }
}

/** Starts one process that sends the requests of all hops in turn. */
async function startClient (hops: Record<string, Hop>, context: BenchContext): Promise<Child<object>> {
  const client = await context.start<object>('client')
  for (const [name, { url, path, clients }] of Object.entries(hops)) {
    const own = clients.map(({ cookie, authorization }) => ({ ...cookie === undefined ? {} : { cookie }, ...authorization === undefined ? {} : { authorization } }))
    await client.ask('prepare', { name, url, method: 'GET', path, headers: browser, clients: own, isRotating: false, connections } satisfies Requests)
    await client.ask('closed', { name, seconds: 1 })
  }
  return client
}

async function measure (client: Child<object>, hops: Record<string, Hop>, { name, rate }: { name: string, rate: number }, { seconds }: BenchContext): Promise<Sample> {
  const { usage } = hops[name]!
  const before = await usage()
  const { requests, seconds: took, failures, p50Ms, p99Ms, p999Ms, maxMs, lateP99Ms } = await client.ask<Answered>('paced', { name, rate, seconds })
  const after = await usage()
  assert.deepEqual(failures, {}, `${name}: every request is answered 200`)
  return { figures: { perSecond: requests / took, p50Ms, p99Ms, p999Ms, maxMs, lateP99Ms, cpuUs: (after.cpuUs - before.cpuUs) / requests } }
}

function voidOn (rounds: Sample[]): { isVoidBecause?: string } {
  return spreadOf(rounds.map(({ figures }) => figures['lateP99Ms']!)).median > latestMs ? { isVoidBecause: 'the load generator was late' } : {}
}

function goals (table: Table): Goal[] {
  return ['token', 'cookie'].filter(name => `${name} at 4000/s` in table.arms).map(name => ({ what: `p99 at 4000/s, by ${name}`, unit: 'ms', digits: 2, most: 5, value: figureOf(table, `${name} at 4000/s`, 'p99Ms') }))
}

function conditions ({ rounds, seconds }: BenchContext): string {
  return `${rounds} interleaved rounds of ${seconds} s for each arm; ${connections} connections; requests due at equal distances; SQLite file store; metrics on, log level error. ${sayPlacement()} So at the greatest rate the load generator and the upstream are a part of the latency: the floor shows which.`
}
