// What does every further gateway cost Redis, and what memory does a session take?

import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'
import { chosenArms, measureRounds, sayPlacement, type Bench, type BenchContext, type Child } from './harness.ts'
import { cpuUsOf } from './machine.ts'
import { hasRedis, redisMissing, startRedis, type RedisServer } from './redis.ts'
import type { Sample, Table } from './report.ts'

/** The number of gateways that follow one Redis, and of sessions that end a second. */
const fleets = { 'none at 100/s': [0, 100], '8 at 100/s': [8, 100], '32 quiet': [32, 0], '32 at 10/s': [32, 10], '32 at 100/s': [32, 100], '32 at 1000/s': [32, 1000] } as const
const kept = 20_000
const quickKept = 2000

interface Fleet { redis: RedisServer, fill: Child<object>, followers: Child<object> | null }

const columns: Table['columns'] = {
  redisPercent: { head: 'CPU % of Redis', digits: 1 },
  revocationUs: { head: 'CPU µs of Redis/revocation', digits: 0 },
  followerUs: { head: 'of that for each gateway', digits: 1 },
  scripts: { head: 'scripts/s', digits: 0 },
  waits: { head: 'waits for news/s', digits: 0 },
  gatewayPercent: { head: 'CPU % of all gateways', digits: 1 }
}

export const bench: Bench = {
  question: 'What does every further gateway cost Redis, and what memory does a session take?',
  async measure (context) {
    if (!hasRedis()) return { conditions: '', tables: [], goals: [], notRun: [`everything: ${redisMissing}`] }
    const names = chosenArms(Object.keys(fleets), context.arms) as Array<keyof typeof fleets>
    const started = new Map<number, Fleet>()
    for (const name of names) {
      const [followers] = fleets[name]
      if (!started.has(followers)) started.set(followers, await startFleet(followers, context))
    }
    const samples = await measureRounds(names, context, async name => await measure(started, name as keyof typeof fleets, context), ({ figures }) => `${figures['redisPercent']!.toFixed(1)} %`)
    const fleet: Table = {
      title: 'Gateways that follow one Redis while sessions end',
      columns,
      arms: Object.fromEntries(names.map(name => [name, { what: sayFleet(fleets[name]), rounds: samples[name]! }])),
      notes: ['A quiet gateway asks twice a second, so that it knows that it has missed nothing. Of a revocation it is told, and then it reads the log; of several that come at once it reads them together.']
    }
    return {
      conditions: `${context.rounds} interleaved rounds of ${context.seconds} s. Each fleet has a Redis of its own, and is one process with connections of its own for each gateway. Redis and what ends sessions share a CPU. ${sayPlacement()}`,
      tables: [fleet, await measureMemory(context), await measureRemembered(context)],
      goals: [],
      notRun: []
    }
  }
}

function sayFleet ([followers, rate]: readonly [followers: number, rate: number]): string {
  return `${followers === 0 ? 'no gateway' : `${followers} gateways`}, ${rate === 0 ? 'nothing happens' : `${rate} sessions a second end`}`
}

async function startFleet (count: number, context: BenchContext): Promise<Fleet> {
  context.say(`starting ${count} gateways`)
  const redis = await startRedis(context)
  const fill = await context.start<object>('fill', { args: { store: { type: 'redis', url: redis.url } } })
  const followers = count === 0 ? null : await context.start<object>('followers', { args: { url: redis.url, count }, place: 'measured' })
  return { redis, fill, followers }
}

async function measure (started: Map<number, Fleet>, name: keyof typeof fleets, { seconds }: BenchContext): Promise<Sample> {
  const [count, rate] = fleets[name]
  const fleet = started.get(count)!
  const known = fleet.followers === null ? 0 : await fleet.followers.ask<number>('known')
  const before = await usage(fleet)
  const { ended } = rate === 0 ? await wait(seconds * 1000, { ended: 0 }) : await fleet.fill.ask<{ ended: number }>('stream', { perSecond: rate, seconds })
  const after = await usage(fleet)
  if (fleet.followers !== null) await untilKnown(fleet.followers, known + ended)
  const each = (key: keyof typeof before): number => after[key] - before[key]
  const spent = each('atUs')
  // The arm without a gateway measures the cost of writing a revocation alone.
  return {
    figures: {
      redisPercent: each('redisUs') / spent * 100,
      ...ended === 0 ? {} : { revocationUs: each('redisUs') / ended, ...count === 0 ? {} : { followerUs: each('redisUs') / ended / count } },
      scripts: each('scripts') / spent * 1e6,
      waits: each('waits') / spent * 1e6,
      ...count === 0 ? {} : { gatewayPercent: each('gatewayUs') / spent * 100 }
    }
  }
}

async function usage ({ redis, followers }: Fleet): Promise<Record<'atUs' | 'redisUs' | 'scripts' | 'waits' | 'gatewayUs', number>> {
  return {
    atUs: performance.now() * 1000,
    redisUs: cpuUsOf(redis.pid),
    scripts: await redis.calls('evalsha'),
    waits: await redis.calls('xread'),
    gatewayUs: followers === null ? 0 : (await followers.ask<{ cpuUs: number }>('cpu')).cpuUs
  }
}

async function untilKnown (followers: Child<object>, count: number): Promise<void> {
  for (const startedMs = performance.now(); performance.now() - startedMs < 10_000; await wait(20)) {
    if (await followers.ask<number>('known') >= count) return
  }
  assert.fail('every gateway hears of every revocation within ten seconds')
}

/** Measures memory as the difference that Redis itself reports before and after many sessions. */
async function measureMemory (context: BenchContext): Promise<Table> {
  const count = context.isQuick ? quickKept : kept
  const redis = await startRedis(context)
  const used = async (): Promise<number> => Number(/^used_memory_dataset:(\d+)/m.exec(await redis.client.info('memory'))?.[1])
  const sessions = await context.start<object>('sessions', { args: { url: redis.url } })
  const fill = await context.start<object>('fill', { args: { store: { type: 'redis', url: redis.url } } })
  const work: Record<string, { what: string, run: () => Promise<unknown> }> = {
    session: { what: 'a session with a cookie, of a user of its own', run: async () => await sessions.ask('open', { mode: 'session', count, first: 0 }) },
    tokens: { what: 'a session with a refresh token, of a user of its own', run: async () => await sessions.ask('open', { mode: 'tokens', count, first: count }) },
    revocation: { what: 'a revocation in force', run: async () => await fill.ask('fill', { count }) }
  }
  const arms: Table['arms'] = {}
  for (const [name, { what, run }] of Object.entries(work)) {
    const before = await used()
    await run()
    arms[name] = { what, rounds: [{ figures: { bytes: (await used() - before) / count } }] }
  }
  return { title: 'Memory at Redis', columns: { bytes: { head: 'bytes each', digits: 0 } }, arms, notes: [`The mean of ${count.toLocaleString('en')}, with every index. The log itself keeps the last 100,000 entries and no more.`] }
}

/** Measures what each remembered credential adds to the heap, its text included. */
async function measureRemembered (context: BenchContext): Promise<Table> {
  const count = context.isQuick ? 256 : 8192
  const gateway = await context.start<object>('remembered')
  const arms: Table['arms'] = {}
  for (const [name, mode, what] of [['token', 'tokens', 'a verified access token'], ['cookie', 'session', 'the session of a cookie']] as const) {
    arms[name] = { what, rounds: [{ figures: await gateway.ask<{ bytes: number }>('remember', { mode, count }) }] }
  }
  return { title: 'Memory of a gateway for what it remembers', columns: { bytes: { head: 'bytes each', digits: 0 } }, arms, notes: [`The mean of ${count.toLocaleString('en')}. At most 20,000 of each are kept, the least lately used go first (\`accessToken.cacheSize\`, \`session.cacheSize\`).`] }
}
