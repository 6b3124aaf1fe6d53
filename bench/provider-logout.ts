// How long after an identity provider has sent a logout does another process serve the session?

import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { chosenArms, measureRounds, sayPlacement, type Bench, type BenchContext, type Child } from './harness.ts'
import type { LoggedOut } from './processes/logout-sender.ts'
import type { OpenedSession, ProviderGatewayArgs } from './processes/provider-gateway.ts'
import { hasRedis, redisMissing, startRedis } from './redis.ts'
import { figureOf, type Goal, type Sample, type Table } from './report.ts'

type StoreName = 'redis' | 'sqlite'

const logoutsPerRound = 100
const quickLogouts = 15
/** The number of logouts of each arm that are not measured, because the code of a new process is slow. */
const warmUp = 50
/** The goal of Redis. Processes on one SQLite file look for changes at an interval. */
const mostMs = { redis: 10, sqlite: 25 }

const columns: Table['columns'] = {
  refusedP50Ms: { head: 'refused, p50 ms', digits: 2 },
  refusedP99Ms: { head: 'p99 ms', digits: 2 },
  streamP50Ms: { head: 'last byte of a stream, p50 ms', digits: 2 },
  streamP99Ms: { head: 'p99 ms', digits: 2 },
  answeredP50Ms: { head: 'answered, p50 ms', digits: 2 },
  answeredP99Ms: { head: 'p99 ms', digits: 2 },
  letThrough: { head: 'let through meanwhile, longest', digits: 0 }
}

export const bench: Bench = {
  question: 'How long after an identity provider has sent a logout does another process serve the session?',
  packages: ['openid-client'],
  async measure (context) {
    const stores: StoreName[] = hasRedis() ? ['redis', 'sqlite'] : ['sqlite']
    const chosen = chosenArms(stores, context.arms) as StoreName[]
    const names = chosen.flatMap(store => [`${store}, sid`, `${store}, sub`])
    const provider = await context.start<{ issuer: string, clientId: string }>('provider')
    const upstream = await context.start<{ url: string }>('event-stream')
    const pairs: Record<string, Pair> = {}
    for (const store of chosen) pairs[store] = await startPair(store, { ...provider.ready, upstream: upstream.ready.url }, context)
    let users = 0
    const measure = async (name: string, count: number): Promise<Sample> => {
      const [store = '', by] = name.split(', ')
      const { first, sender } = pairs[store]!
      const opened = await first.ask<OpenedSession[]>('open', { first: users += count, count })
      const tokens = await provider.ask<string[]>('logoutTokens', opened.map(({ sid, sub }) => by === 'sid' ? { sid } : { sub }))
      return await measureLogouts(sender, opened.map(({ cookie }, index) => ({ cookie, token: tokens[index]! })))
    }
    for (const name of names) await measure(name, warmUp)
    const count = context.isQuick ? quickLogouts : logoutsPerRound
    const samples = await measureRounds(names, context, async name => await measure(name, count), ({ figures }) => `p99 ${figures['refusedP99Ms']!.toFixed(1)} ms`)
    const table: Table = {
      title: 'From the moment at which a provider sends a logout token',
      columns,
      arms: Object.fromEntries(names.map(name => [name, { what: sayArm(name), rounds: samples[name]! }])),
      notes: [`In each round ${count} sessions end, one after the other. Meanwhile a client asks another process again and again, over one connection, and receives an event stream from it. The time of one request is part of every figure.`]
    }
    return { conditions: conditions(context), tables: [table], goals: names.flatMap(name => goals(name, table)), notRun: hasRedis() ? [] : [`redis: ${redisMissing}`] }
  }
}

interface Pair { first: Child<{ url: string }>, sender: Child<object> }

/** Starts two gateways on one store: logouts arrive at the first one, and clients are at the second one. */
async function startPair (name: StoreName, found: Pick<ProviderGatewayArgs, 'issuer' | 'clientId' | 'upstream'>, context: BenchContext): Promise<Pair> {
  const store: ProviderGatewayArgs['store'] = name === 'redis' ? { type: 'redis', url: (await startRedis(context)).url } : { type: 'sqlite', path: join(context.directory, 'logouts.db') }
  const args: ProviderGatewayArgs = { ...found, store, secret: randomBytes(32).toString('base64url') }
  const first = await context.start<{ url: string }>('provider-gateway', { args, place: 'rest' })
  const second = await context.start<{ url: string }>('provider-gateway', { args, place: 'measured' })
  return { first, sender: await context.start<object>('logout-sender', { args: { logOutAt: first.ready.url, askAt: second.ready.url } }) }
}

async function measureLogouts (sender: Child<object>, logouts: Array<{ token: string, cookie: string }>): Promise<Sample> {
  const seen: LoggedOut[] = []
  for (const logout of logouts) seen.push(await sender.ask<LoggedOut>('logOut', logout))
  const sorted = (member: keyof LoggedOut): number[] => seen.map(one => one[member]).toSorted((a, b) => a - b)
  const percentile = (member: keyof LoggedOut, percent: number): number => sorted(member)[Math.ceil(seen.length * percent / 100) - 1]!
  return {
    figures: {
      refusedP50Ms: percentile('refusedMs', 50),
      refusedP99Ms: percentile('refusedMs', 99),
      streamP50Ms: percentile('streamMs', 50),
      streamP99Ms: percentile('streamMs', 99),
      answeredP50Ms: percentile('answeredMs', 50),
      answeredP99Ms: percentile('answeredMs', 99),
      letThrough: Math.max(...sorted('letThrough'))
    }
  }
}

function sayArm (name: string): string {
  const [store, by] = name.split(', ')
  return `two gateways on ${store === 'redis' ? 'one Redis' : 'one SQLite file'}, logout of ${by === 'sid' ? 'a session at the provider (sid)' : 'a user (sub)'}`
}

function goals (name: string, table: Table): Goal[] {
  const most = mostMs[name.split(', ')[0] as StoreName]
  return [
    { what: `p99 until another process refuses, ${name}`, unit: 'ms', digits: 2, most, value: figureOf(table, name, 'refusedP99Ms') },
    { what: `p99 until the last byte of a stream, ${name}`, unit: 'ms', digits: 2, most, value: figureOf(table, name, 'streamP99Ms') }
  ]
}

function conditions ({ rounds }: BenchContext): string {
  return `${rounds} interleaved rounds. The process that serves the session is what is measured; the one that receives the logout is on the other CPU, with Redis, the provider and the clients. ${sayPlacement()}`
}
