// How many refresh tokens can one process rotate, at what cost, and how long does a client wait?

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { chosenArms, interleave, measureRounds, sayPlacement, spreadOf, type Bench, type BenchContext, type Child } from './harness.ts'
import { browser } from './headers.ts'
import { cpuUsOf } from './machine.ts'
import type { CpuTime } from './processes/child.ts'
import type { Answered, Requests } from './processes/client.ts'
import type { GatewayArgs, SignedIn } from './processes/gateway.ts'
import { hasRedis, redisMissing, startRedis, type RedisServer } from './redis.ts'
import { figureOf, ratiosOf, type Goal, type Sample, type Table } from './report.ts'

/**
 * The number of sessions: each is refreshed every few seconds at any rate that is reached here, because a faster refresh is held
 * and not rotated.
 */
const sessions = 20_000
const quickSessions = 3000
const connections = 64
const wantedPerSecond = 5000
const rate = 2000
/** The greatest acceptable lateness of requests, in milliseconds; beyond it the generator measures itself. */
const latestMs = 5
const quickRate = 200

interface Arm {
  what: string
  server: Child<{ url: string }>
  client: Child<object>
  redis: RedisServer | null
  waitsFor?: string
}

const fastest: Table['columns'] = {
  perSecond: { head: 'refreshes/s', digits: 0, isThroughput: true },
  cpuUs: { head: 'CPU µs/refresh', digits: 1 },
  redisUs: { head: 'CPU µs/refresh of Redis', digits: 1 },
  roundTrips: { head: 'scripts at Redis/refresh', digits: 2 },
  p50Ms: { head: 'p50 ms', digits: 2, isThroughput: true },
  p99Ms: { head: 'p99 ms', digits: 2, isThroughput: true }
}

const atRate: Table['columns'] = {
  perSecond: { head: 'refreshes/s', digits: 0, isThroughput: true },
  p50Ms: { head: 'p50 ms', digits: 2, isThroughput: true },
  p99Ms: { head: 'p99 ms', digits: 2, isThroughput: true },
  p999Ms: { head: 'p99.9 ms', digits: 2, isThroughput: true },
  maxMs: { head: 'longest ms', digits: 1, isThroughput: true },
  lateP99Ms: { head: 'p99 of lateness ms', digits: 2 },
  cpuUs: { head: 'CPU µs/refresh', digits: 1 }
}

export const bench: Bench = {
  question: 'How many refresh tokens can one process rotate, at what cost, and how long does a client wait?',
  async measure (context) {
    const { rounds, seconds, isQuick } = context
    const names = chosenArms(hasRedis() ? ['floor', 'redis', 'sqlite'] : ['sqlite'], context.arms)
    const arms = await startArms(names, context)
    context.say('warming up')
    for (const order of interleave(names, 2)) for (const name of order) await arms[name]!.client.ask('closed', { seconds: isQuick ? 1 : 2 })

    context.say('as fast as they are answered')
    const most = await measureRounds(names, context, async name => await atOnce(arms[name]!, seconds), ({ figures }) => `${figures['perSecond']!.toFixed(0)}/s at ${figures['cpuUs']!.toFixed(0)} µs`)
    const pace = isQuick ? quickRate : rate
    context.say(`at ${pace}/s`)
    const steady = await measureRounds(names, context, async name => await atPace(arms[name]!, pace, seconds), ({ figures }) => `p99 ${figures['p99Ms']!.toFixed(1)} ms`)

    const tables = [
      {
        title: 'As fast as they are answered',
        columns: fastest,
        arms: withRounds(arms, most),
        ratios: ratiosOf(most, 'cpuUs', [['redis', 'floor'], ['sqlite', 'floor']]),
        notes: [`One 4 KiB write reaches the disk in ${(await diskMs(context.directory)).toFixed(2)} ms, in the median of 50.`]
      },
      {
        title: `At ${pace} a second, whatever the answers take`,
        columns: atRate,
        arms: withRounds(arms, steady),
        notes: ['Latency counts from when a request was due, so a pause is charged to every request that was due in it; so is the generator\'s own lateness.']
      }
    ] as const satisfies Table[]
    return {
      conditions: `${rounds} interleaved rounds of ${seconds} s for each arm and table; ${(isQuick ? quickSessions : sessions).toLocaleString('en')} sessions in turn, so that every refresh is a rotation; ${connections} connections; default overlap and rate limits on; SQLite with synchronous=FULL, Redis with an append-only file that is flushed every second. ${sayPlacement()}`,
      tables: [...tables],
      goals: names.filter(name => name !== 'floor').flatMap(name => goals(name, pace, ...tables)),
      notRun: hasRedis() ? [] : [`floor, redis: ${redisMissing}`]
    }
  }
}

function withRounds (arms: Record<string, Arm>, samples: Record<string, Sample[]>): Table['arms'] {
  return Object.fromEntries(Object.entries(arms).map(([name, { what, waitsFor }]) => {
    const rounds = samples[name]!
    const isLate = spreadOf(rounds.map(({ figures }) => figures['lateP99Ms'] ?? 0)).median > latestMs
    return [name, { what, rounds, ...waitsFor === undefined ? {} : { waitsFor }, ...isLate ? { isVoidBecause: 'the load generator was late' } : {} }]
  }))
}

async function startArms (names: string[], context: BenchContext): Promise<Record<string, Arm>> {
  const redis = names.some(name => name !== 'sqlite') ? await startRedis(context) : null
  const starts: Record<string, () => Promise<Omit<Arm, 'client'>>> = {
    floor: async () => ({ what: 'node:http, one HMAC and one small script at Redis, one ES256 signature, nothing else', server: await context.start('refresh-floor', { args: { redis: redis!.url }, place: 'measured' }), redis }),
    redis: async () => ({ what: 'gateway on Redis', server: await startGateway(context, { type: 'redis', url: redis!.url }), redis }),
    sqlite: async () => ({ what: 'gateway on SQLite, each answer after its change is on the disk', server: await startGateway(context, { type: 'sqlite', path: join(context.directory, 'refresh.db') }), redis: null, waitsFor: 'the disk' })
  }
  const arms: Record<string, Arm> = {}
  for (const name of names) {
    const arm = await starts[name]!()
    context.say(`signing in at ${name}`)
    const signedIn = await arm.server.ask<SignedIn[]>('signIn', { first: 0, count: context.isQuick ? quickSessions : sessions, mode: 'tokens' })
    await probe(name, arm.server.ready.url, signedIn.pop()!.cookie, signedIn.pop()!.cookie)
    const requests: Requests = { url: arm.server.ready.url, method: 'POST', path: '/auth/refresh', headers: browser, clients: signedIn.map(({ cookie }) => ({ cookie })), isRotating: true, connections }
    const client = await context.start<object>('client')
    await client.ask('prepare', requests)
    arms[name] = { ...arm, client }
  }
  return arms
}

async function startGateway (context: BenchContext, store: GatewayArgs['store']): Promise<Child<{ url: string }>> {
  const args: GatewayArgs = { store, upstream: 'http://127.0.0.1:9', ...store.type === 'redis' ? { secret: randomBytes(32).toString('base64url') } : {} }
  return await context.start('gateway', { args, place: 'measured' })
}

/** Checks that a valid token is rotated, and that a forged one and a long superseded one are refused. */
async function probe (name: string, url: string, cookie: string, other: string): Promise<void> {
  const refresh = async (cookie: string): Promise<{ status: number, cookie: string }> => {
    const response = await fetch(`${url}/auth/refresh`, { method: 'POST', headers: { ...browser, cookie } })
    await response.arrayBuffer()
    return { status: response.status, cookie: response.headers.getSetCookie()[0]?.split(';')[0] ?? '' }
  }
  const forged = await refresh(`${cookie.slice(0, -4)}AAAA`)
  assert.equal(forged.status, 401, `${name}: a forged token is refused`)
  let next = cookie
  for (let count = 0; count < 3; count++) {
    const rotated = await refresh(next)
    assert.equal(rotated.status, 200, `${name}: a good token is rotated`)
    assert.notEqual(rotated.cookie, next, `${name}: into another one`)
    next = rotated.cookie
  }
  const again = await refresh(other)
  assert.equal(again.status, 200, `${name}: each session has a token of its own`)
}

/** Measures the highest rate of one process. */
async function atOnce (arm: Arm, seconds: number): Promise<Sample> {
  const before = await usage(arm)
  const answered = await arm.client.ask<Answered>('closed', { seconds })
  const after = await usage(arm)
  assertAnswered(answered)
  const each = (key: 'cpuUs' | 'redisUs' | 'scripts'): number => (after[key] - before[key]) / answered.requests
  const wallUs = after.atUs - before.atUs
  return {
    figures: {
      perSecond: answered.requests / answered.seconds,
      cpuUs: each('cpuUs'),
      ...arm.redis === null ? {} : { redisUs: each('redisUs'), roundTrips: each('scripts') },
      p50Ms: answered.p50Ms,
      p99Ms: answered.p99Ms
    },
    shares: { process: (after.cpuUs - before.cpuUs) / wallUs, load: answered.cpuUs / (answered.seconds * 1e6), beside: (after.redisUs - before.redisUs) / wallUs }
  }
}

async function atPace (arm: Arm, rate: number, seconds: number): Promise<Sample> {
  const before = await arm.server.ask<CpuTime>('cpu')
  const answered = await arm.client.ask<Answered>('paced', { rate, seconds })
  const after = await arm.server.ask<CpuTime>('cpu')
  assertAnswered(answered)
  const { p50Ms, p99Ms, p999Ms, maxMs, lateP99Ms } = answered
  return { figures: { perSecond: answered.requests / answered.seconds, p50Ms, p99Ms, p999Ms, maxMs, lateP99Ms, cpuUs: (after.cpuUs - before.cpuUs) / answered.requests } }
}

function assertAnswered ({ requests, failures }: Answered): void {
  assert.ok(requests > 0, 'there were requests')
  assert.deepEqual(failures, {}, 'every refresh is answered 200 with the next cookie')
}

async function usage ({ server, redis }: Arm): Promise<CpuTime & { redisUs: number, scripts: number }> {
  const { cpuUs, atUs } = await server.ask<CpuTime>('cpu')
  return { cpuUs, atUs, redisUs: redis === null ? 0 : cpuUsOf(redis.pid), scripts: redis === null ? 0 : await redis.calls('evalsha') }
}

function goals (name: string, pace: number, most: Table, steady: Table): Goal[] {
  return [
    { what: `refreshes/s of one process, ${name}`, unit: '/s', digits: 0, least: wantedPerSecond, value: figureOf(most, name, 'perSecond') },
    { what: `p99 at ${pace}/s, ${name}`, unit: 'ms', digits: 2, most: 10, value: figureOf(steady, name, 'p99Ms') },
    ...name === 'redis' ? [{ what: 'scripts at Redis for each refresh, with the pulls of the revocation log', unit: '', digits: 2, most: 1.01, value: figureOf(most, name, 'roundTrips') }] : []
  ]
}

/** Measures the time of a durable write on this disk, independent of the writer. */
async function diskMs (directory: string): Promise<number> {
  const file = await open(join(directory, 'disk'), 'w')
  const block = Buffer.alloc(4096, 1)
  const times: number[] = []
  for (let count = 0; count < 50; count++) {
    const startedMs = performance.now()
    await file.write(block)
    await file.datasync()
    times.push(performance.now() - startedMs)
  }
  await file.close()
  return spreadOf(times).median
}
