import assert from 'node:assert/strict'
import { resign, withToken } from './gateway-hops.ts'
import { interleave, measureRounds, type BenchContext, type Child } from './harness.ts'
import { browser, otherCookies } from './headers.ts'
import { usageOf, type Usage } from './hop.ts'
import type { CpuTime } from './processes/child.ts'
import type { Answered, Requests } from './processes/client.ts'
import type { GatewayArgs, SignedIn } from './processes/gateway.ts'
import type { Arm, Sample, Table } from './report.ts'

/* Load by many tokens: more than the other generator can hold, and some of them new. */

const connections = 32
const sessions = 100
const issuedAtOnce = 5000

export type Gateway = Child<{ url: string }>

/** An arm that sends its tokens in turn, and in between tokens of a pool that arms share: each request takes the pool's next token. */
export interface TokenArm {
  what: string
  gateway: Gateway
  path: string
  tokens: string[]
  others?: { pool: string, share: number }
  /** Whether the warm-up continues until each token was sent. */
  areSeen?: boolean
  at?: Arm['at']
}

export const tokenColumns: Table['columns'] = {
  cpuUs: { head: 'CPU µs/request', digits: 1 },
  rememberedPercent: { head: 'tokens remembered %', digits: 1 },
  requestsPerSecond: { head: 'requests/s', digits: 0, isThroughput: true },
  p50Ms: { head: 'p50 ms', digits: 2, isThroughput: true },
  p99Ms: { head: 'p99 ms', digits: 2, isThroughput: true }
}

export async function startGateway (args: GatewayArgs, context: BenchContext): Promise<Gateway> {
  return await context.start<{ url: string }>('gateway', { args, place: 'measured' })
}

/** Issues distinct tokens of a hundred sessions. */
export async function issueTokens (gateway: Gateway, count: number): Promise<string[]> {
  const signedIn = await gateway.ask<SignedIn[]>('signIn', { first: 0, count: sessions, mode: 'session' })
  const tokens: string[] = []
  while (tokens.length < count) tokens.push(...await gateway.ask<string[]>('issue', { sids: signedIn.map(({ sid }) => sid), count: Math.min(issuedAtOnce, count - tokens.length) }))
  return tokens
}

/** Checks, warms up and measures the arms, as for hops. `pools`: tokens by the name of a pool. */
export async function measureTokenArms (arms: Record<string, TokenArm>, upstream: Child<{ url: string, body: string }>, context: BenchContext, pools: Record<string, string[]> = {}): Promise<Record<string, Arm>> {
  const client = await context.start<object>('client')
  for (const [name, tokens] of Object.entries(pools)) await client.ask('prepare', requestsOf(name, upstream.ready.url, tokens))
  for (const [name, arm] of Object.entries(arms)) {
    await probe(name, arm, upstream.ready.body)
    await prepare(client, name, arm)
  }
  const names = Object.keys(arms)
  const seconds = context.isQuick ? 1 : 2
  for (const order of interleave(names, context.isQuick ? 1 : 2)) {
    context.say(`warming up ${order.join(', ')}`)
    for (const name of order) {
      const { tokens, areSeen = false } = arms[name]!
      const least = areSeen ? tokens.length : 0
      let sent = 0
      do {
        const { requests } = await client.ask<Answered>('closed', { name, seconds })
        sent += requests
      } while (sent < least)
    }
  }
  const samples = await measureRounds(names, context, async name => await measure(client, name, arms[name]!, usageOf(upstream), context), ({ figures }) => `${figures['cpuUs']!.toFixed(1)} µs`)
  return Object.fromEntries(Object.entries(arms).map(([name, { what, at }]) => [name, { what, rounds: samples[name]!, ...at === undefined ? {} : { at } }]))
}

async function prepare (client: Child<object>, name: string, { gateway, path, tokens, others }: TokenArm): Promise<void> {
  const requests = { ...requestsOf(name, gateway.ready.url, tokens), path }
  await client.ask('prepare', others === undefined ? requests : { ...requests, others: { of: others.pool, share: others.share } })
}

function requestsOf (name: string, url: string, tokens: string[]): Requests {
  return { name, url, method: 'GET', path: '/', headers: { ...browser, cookie: otherCookies }, clients: tokens.map(token => ({ authorization: `Bearer ${token}` })), isRotating: false, connections }
}

async function probe (name: string, { gateway, path, tokens }: TokenArm, body: string): Promise<void> {
  const [first, last] = [tokens[0]!, tokens.at(-1)!]
  for (const token of [first, last]) {
    const response = await fetch(gateway.ready.url + path, { headers: withToken(token) })
    assert.equal(await response.text(), body, `${name}: a good token is answered with the upstream's body`)
  }
  const refused = await fetch(gateway.ready.url + path, { headers: withToken(resign(first, last)) })
  await refused.arrayBuffer()
  assert.equal(refused.status, 401, `${name}: a token with a wrong signature is answered 401`)
}

async function measure (client: Child<object>, name: string, { gateway }: TokenArm, upstream: Usage, { seconds }: BenchContext): Promise<Sample> {
  const look = async (): Promise<{ own: CpuTime, beside: CpuTime, checked: number }> => ({ own: await usageOf(gateway)(), beside: await upstream(), checked: await gateway.ask<number>('checked') })
  const before = await look()
  const { requests, seconds: took, failures, p50Ms, p99Ms, cpuUs: loadUs } = await client.ask<Answered>('closed', { name, seconds })
  const after = await look()
  assert.deepEqual(failures, {}, `${name}: every request is answered 200`)
  const shareOf = (one: CpuTime, other: CpuTime): number => (other.cpuUs - one.cpuUs) / (other.atUs - one.atUs)
  return {
    figures: {
      cpuUs: (after.own.cpuUs - before.own.cpuUs) / requests,
      rememberedPercent: (1 - (after.checked - before.checked) / requests) * 100,
      requestsPerSecond: requests / took,
      p50Ms,
      p99Ms
    },
    shares: { process: shareOf(before.own, after.own), load: loadUs / (took * 1e6), beside: shareOf(before.beside, after.beside) }
  }
}
