import assert from 'node:assert/strict'
import { interleave, measureRounds, type BenchContext, type Child } from './harness.ts'
import { browser, otherCookies } from './headers.ts'
import { treeUsOf } from './machine.ts'
import type { CpuTime } from './processes/child.ts'
import type { Load, LoadResult } from './processes/load.ts'
import type { Arm, Sample, Table } from './report.ts'

const connections = 32

/** One way of a request to the upstream: the clients, and the expected result. */
export interface Hop {
  what: string
  url: string
  path: string
  clients: Array<Record<string, string>>
  /** The status of the response to a valid request. */
  status: number
  /** The invalid credentials, by what is wrong with them, and the status of the response to all of them. */
  bad: { status: number, headers: Record<string, Record<string, string>> }
  /** The credential that the upstream receives: a minted token in place of the client's, or the original. */
  forwards: 'minted' | 'as sent'
  usage: Usage
}

/** Resolves to the CPU time of the measured process, or of one beside it. */
export type Usage = () => Promise<CpuTime>

/** What sends the requests: it answers the question `run`, a Load, with a LoadResult. */
export type Generator = Pick<Child<object>, 'ask'>

/** The processes and values that every hop is measured with. */
export interface Surroundings {
  load: Generator
  /** The body of the upstream's response. */
  body: string
  /** The processes that share the CPU of the load generator. */
  beside: Usage[]
}

export const hopColumns: Table['columns'] = {
  requestsPerSecond: { head: 'requests/s', digits: 0, isThroughput: true },
  cpuUs: { head: 'CPU µs/request', digits: 1 },
  p50Ms: { head: 'p50 ms', digits: 2, isThroughput: true },
  p99Ms: { head: 'p99 ms', digits: 2, isThroughput: true }
}

export function usageOf (child: Child<object>): Usage {
  return async () => await child.ask<CpuTime>('cpu')
}

/** Returns the usage of a program that has no channel, child processes included. */
export function usageOfProgram (pid: number): Usage {
  return async () => ({ cpuUs: treeUsOf(pid), atUs: performance.now() * 1000 })
}

/** Checks that each hop behaves as specified, warms up, and measures all of them in turn. */
export async function measureHops (hops: Record<string, Hop>, surroundings: Surroundings, context: BenchContext): Promise<Record<string, Sample[]>> {
  await prepareHops(hops, surroundings, context)
  return await measureHopRounds(hops, surroundings, context)
}

export async function prepareHops (hops: Record<string, Hop>, surroundings: Surroundings, context: BenchContext): Promise<void> {
  for (const [name, hop] of Object.entries(hops)) await probe(name, hop, surroundings.body)
  await warmUp(hops, surroundings, context)
}

export async function measureHopRounds (hops: Record<string, Hop>, surroundings: Surroundings, context: BenchContext): Promise<Record<string, Sample[]>> {
  return await measureRounds(Object.keys(hops), context, async name => await measure(hops[name]!, surroundings, context.seconds), ({ figures }) => `${figures['cpuUs']!.toFixed(1)} µs`)
}

export function armsOf (hops: Record<string, Pick<Hop, 'what'>>, samples: Record<string, Sample[]>): Record<string, Arm> {
  return Object.fromEntries(Object.entries(hops).map(([name, { what }]) => [name, { what, rounds: samples[name]! }]))
}

/** Checks a hop, because the figures of a hop that behaves otherwise would be worthless. */
async function probe (name: string, hop: Hop, body: string): Promise<void> {
  const { url, path, status, clients, bad } = hop
  for (const headers of [clients[0]!, clients.at(-1)!]) {
    const response = await fetch(url + path, { headers })
    const text = await response.text()
    assert.equal(response.status, status, `${name}: its requests are answered ${status}`)
    if (status === 200) assert.equal(text, body, `${name}: with the upstream's body`)
  }
  for (const [what, headers] of Object.entries(bad.headers)) {
    const refused = await fetch(url + path, { headers })
    await refused.arrayBuffer()
    assert.equal(refused.status, bad.status, `${name}: ${what} is answered ${bad.status}`)
  }
  if (status === 200) await probeForwarding(name, hop)
}

async function probeForwarding (name: string, { url, path, clients, forwards }: Hop): Promise<void> {
  const [client] = clients as [Record<string, string>]
  const seen = await (await fetch(`${url}${path}/seen`, { headers: client })).json() as Record<string, string>
  for (const header of Object.keys(browser)) assert.equal(seen[header], client[header], `${name}: ${header} is forwarded`)
  const { authorization, cookie } = seen
  assert.equal(cookie, forwards === 'minted' ? otherCookies : client['cookie'], `${name}: the upstream sees the cookies that it is to see`)
  if (forwards === 'as sent') return assert.equal(authorization, client['authorization'], `${name}: Authorization is left as it is`)
  assert.notEqual(authorization, client['authorization'], `${name}: the client's token stays here`)
  const claims = JSON.parse(Buffer.from(authorization!.split('.')[1]!, 'base64url').toString()) as { aud: string, sub: string }
  assert.equal(`${claims.sub} at ${claims.aud}`, 'user-0 at orders', `${name}: the upstream is told who, by a token of its own`)
}

/** Warms up twice, because hops that share a process warm up each other's code: the first would be warmed up less than the last. */
async function warmUp (hops: Record<string, Hop>, surroundings: Surroundings, { isQuick, say }: BenchContext): Promise<void> {
  for (const order of interleave(Object.keys(hops), isQuick ? 1 : 2)) {
    say(`warming up ${order.join(', ')}`)
    for (const name of order) await measure(hops[name]!, surroundings, isQuick ? 1 : 2)
  }
}

async function measure (hop: Hop, { load, body, beside }: Surroundings, seconds: number): Promise<Sample> {
  const { url, path, clients, status } = hop
  const question: Load = { url, path, clients, connections, seconds, status, body: status === 200 ? body : null }
  const usages = async (): Promise<CpuTime[]> => await Promise.all([hop.usage, ...beside].map(usage => usage()))
  const before = await usages()
  const result = await load.ask<LoadResult>('run', question)
  const after = await usages()
  assert.equal(result.failures, 0, 'every request is answered as expected')
  const cpuUs = after[0]!.cpuUs - before[0]!.cpuUs
  const [process = 0, ...others] = after.map(({ cpuUs, atUs }, index) => (cpuUs - before[index]!.cpuUs) / (atUs - before[index]!.atUs))
  const turns = (after[0]!.turns ?? 0) - (before[0]!.turns ?? 0)
  return {
    figures: { requestsPerSecond: result.requests / result.seconds, cpuUs: cpuUs / result.requests, p50Ms: result.p50Ms, p99Ms: result.p99Ms, ...turns > 0 ? { perTurn: result.requests / turns } : {} },
    shares: { process, load: result.cpuUs / (result.seconds * 1e6), beside: others.reduce((sum, share) => sum + share, 0) }
  }
}

export function hopConditions ({ rounds, seconds }: BenchContext): string {
  return `${rounds} interleaved rounds of ${seconds} s for each arm after two warm-ups; ${connections} connections, one request at a time on each, the next as soon as the answer is there; ${Object.keys(browser).length + 3} request headers; plain HTTP on loopback`
}
