// How long after a sign-out does another process let a request through, and what do a million revocations cost at start?

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { chosenArms, measureRounds, sayPlacement, spreadOf, type Bench, type BenchContext, type Child, type Place } from './harness.ts'
import { browser } from './headers.ts'
import type { CpuTime } from './processes/child.ts'
import type { Answered, Requests } from './processes/client.ts'
import type { GatewayArgs, LoopDelay, SignedIn } from './processes/gateway.ts'
import type { Seen } from './processes/revoker.ts'
import { hasRedis, redisMissing, startRedis } from './redis.ts'
import { figureOf, type Goal, type Sample, type Table } from './report.ts'

type StoreName = 'redis' | 'sqlite'
type Gateway = Child<{ url: string }>

const signOutsPerRound = 100
const quickSignOuts = 15
/** The load of the second gateway: requests a second with tokens seen before. */
const loadPerSecond = 2000
const quickLoadPerSecond = 200
const loadTokens = 200
const inForce = 1_000_000
const quickInForce = 20_000
const streamPerSecond = 1000
const quickStreamPerSecond = 200

const seenMostMs = { redis: 5, sqlite: 25 }

const seenColumns: Table['columns'] = {
  p50Ms: { head: 'p50 ms', digits: 2 },
  p99Ms: { head: 'p99 ms', digits: 2 },
  maxMs: { head: 'longest ms', digits: 1 },
  letThrough: { head: 'let through meanwhile, longest', digits: 0 },
  requestMs: { head: 'one request ms', digits: 2 }
}

const startColumns: Table['columns'] = {
  seconds: { head: 'seconds until ready', digits: 2 },
  cpuSeconds: { head: 'CPU seconds', digits: 2 },
  rssMb: { head: 'resident MB', digits: 0 }
}

const delayColumns: Table['columns'] = {
  p50Ms: { head: 'p50 ms', digits: 2 },
  p99Ms: { head: 'p99 ms', digits: 2 },
  maxMs: { head: 'longest ms', digits: 1 },
  cpuPercent: { head: 'CPU %', digits: 1 },
  slowestMs: { head: 'slowest sign-out ms', digits: 1 }
}

export const bench: Bench = {
  question: 'How long after a sign-out does another process let a request through, and what do a million revocations cost at start?',
  async measure (context) {
    const names = chosenArms(hasRedis() ? ['redis', 'sqlite'] : ['sqlite'], context.arms) as StoreName[]
    const upstream = await context.start<{ url: string }>('upstream')
    const seen = await measureSeen(names, upstream.ready.url, context)
    const { start, delay } = await measureMillion(names, upstream.ready.url, context)
    return {
      conditions: conditions(context),
      tables: [seen, start, delay],
      goals: names.flatMap(name => goals(name, context, seen, start)),
      notRun: hasRedis() ? [] : [`redis: ${redisMissing}`]
    }
  }
}

async function startGateway (context: BenchContext, args: GatewayArgs, place: Place): Promise<Gateway> {
  return await context.start('gateway', { args, place })
}

/** Opens a separate store for each name; gateways on Redis share a secret. */
async function openStore (name: StoreName, file: string, context: BenchContext): Promise<Pick<GatewayArgs, 'store' | 'secret'>> {
  if (name === 'sqlite') return { store: { type: 'sqlite', path: join(context.directory, `${file}.db`) } }
  return { store: { type: 'redis', url: (await startRedis(context)).url }, secret: randomBytes(32).toString('base64url') }
}

interface Pair { first: Gateway, second: Gateway, client: Child<object>, revoker: Child<object>, warmToken: string }

/** Measures two gateways on one store: sessions end at the first one, and the second one is asked. */
async function measureSeen (names: StoreName[], upstream: string, context: BenchContext): Promise<Table> {
  const pairs: Record<string, Pair> = {}
  for (const name of names) pairs[name] = await startPair(name, upstream, context)
  const arms: Record<string, { name: StoreName, isLoaded: boolean, what: string }> = {}
  for (const name of names) {
    arms[name] = { name, isLoaded: false, what: `two gateways on ${sayStore(name)}, no other requests` }
    arms[`${name}, load`] = { name, isLoaded: true, what: `the same, and ${perSecond(context)} requests a second at the second one` }
  }
  let users = 0
  const count = context.isQuick ? quickSignOuts : signOutsPerRound
  context.say('until another process refuses')
  const samples = await measureRounds(Object.keys(arms), context, async arm => {
    const { name, isLoaded } = arms[arm]!
    const pair = pairs[name]!
    const signedIn = await pair.first.ask<SignedIn[]>('signIn', { first: users += count, count, mode: 'tokens' })
    return await measureSignOuts(pair, signedIn, isLoaded, context)
  }, ({ figures }) => `p99 ${figures['p99Ms']!.toFixed(1)} ms`)
  return {
    title: 'From the acknowledged sign-out at one process until another one refuses',
    columns: seenColumns,
    arms: Object.fromEntries(Object.entries(arms).map(([arm, { what }]) => [arm, { what, rounds: samples[arm]! }])),
    notes: [`In each round ${count} sessions end, one after the other; a client asks the second process again and again, over one connection. The time of one request is part of every figure, and is given for scale.`]
  }
}

async function startPair (name: StoreName, upstream: string, context: BenchContext): Promise<Pair> {
  const args = { ...await openStore(name, 'seen', context), upstream }
  const first = await startGateway(context, args, 'rest')
  const second = await startGateway(context, args, 'measured')
  const tokens = await first.ask<SignedIn[]>('signIn', { first: 1_000_000, count: loadTokens, mode: 'tokens' })
  const client = await context.start<object>('client')
  const requests: Requests = { url: second.ready.url, method: 'GET', path: '/orders/42', headers: browser, clients: tokens.map(({ token }) => ({ authorization: `Bearer ${token}` })), isRotating: false, connections: 16 }
  await client.ask('prepare', requests)
  await client.ask('closed', { seconds: context.isQuick ? 1 : 2 })
  const revoker = await context.start<object>('revoker', { args: { signOutAt: first.ready.url, askAt: second.ready.url } })
  const [warm, ended] = await first.ask<SignedIn[]>('signIn', { first: 2_000_000, count: 2, mode: 'tokens' }) as [SignedIn, SignedIn]
  await probe(name, second, ended.token)
  await revoker.ask('signOut', { token: ended.token })
  return { first, second, client, revoker, warmToken: warm.token }
}

async function probe (name: string, { ready: { url } }: Gateway, token: string): Promise<void> {
  const status = async (token: string): Promise<number> => {
    const response = await fetch(`${url}/orders/42`, { headers: { authorization: `Bearer ${token}` } })
    await response.arrayBuffer()
    return response.status
  }
  assert.equal(await status(token), 200, `${name}: a good token of another process passes`)
  assert.equal(await status(`${token.slice(0, -4)}AAAA`), 401, `${name}: a bad one is refused`)
}

async function measureSignOuts ({ client, revoker, warmToken }: Pair, signedIn: SignedIn[], isLoaded: boolean, context: BenchContext): Promise<Sample> {
  const stopped = new AbortController()
  const load = isLoaded ? keepUp(client, perSecond(context), stopped.signal) : Promise.resolve()
  // The promise is awaited below; until then no handler is attached.
  load.catch(() => {})
  const seen: Seen[] = []
  const requestMs: number[] = []
  try {
    for (const { token } of signedIn) {
      requestMs.push(await revoker.ask<number>('request', { token: warmToken }))
      seen.push(await revoker.ask<Seen>('signOut', { token }))
    }
  } finally {
    stopped.abort()
    await load
  }
  const ms = seen.map(one => one.ms).toSorted((a, b) => a - b)
  return { figures: { p50Ms: spreadOf(ms).median, p99Ms: ms[Math.ceil(ms.length * 0.99) - 1]!, maxMs: ms.at(-1)!, letThrough: Math.max(...seen.map(({ letThrough }) => letThrough)), requestMs: spreadOf(requestMs).median } }
}

/** Sends load without a pause until `enough` is aborted. */
async function keepUp (client: Child<object>, rate: number, enough: AbortSignal): Promise<void> {
  while (!enough.aborted) {
    const { failures } = await client.ask<Answered>('paced', { rate, seconds: 1 })
    assert.deepEqual(failures, {}, 'every request of the load is answered 200')
  }
}

function perSecond ({ isQuick }: BenchContext): number {
  return isQuick ? quickLoadPerSecond : loadPerSecond
}

interface Stores { full: Pick<GatewayArgs, 'store' | 'secret'>, empty: Pick<GatewayArgs, 'store' | 'secret'>, fill: Child<object>, ended: string[] }

/** Measures the start of a gateway on a store with a million revocations in force, and a gateway that follows many more. */
async function measureMillion (names: StoreName[], upstream: string, context: BenchContext): Promise<{ start: Table, delay: Table }> {
  const count = context.isQuick ? quickInForce : inForce
  const stores: Record<string, Stores> = {}
  for (const name of names) {
    context.say(`writing ${count.toLocaleString('en')} revocations: ${name}`)
    const [full, empty] = [await openStore(name, 'full', context), await openStore(name, 'empty', context)]
    const fill = await context.start<object>('fill', { args: { store: full.store } })
    stores[name] = { full, empty, fill, ended: await fill.ask<string[]>('fill', { count }) }
  }

  const starts: Record<string, { what: string, measure: () => Promise<Sample> }> = {}
  for (const name of names) {
    const { full, empty, ended } = stores[name]!
    starts[`${name}, empty`] = { what: `start on ${sayStore(name)} without a revocation`, measure: async () => await measureStart({ ...empty, upstream }, 0, [], context) }
    starts[name] = { what: `start on ${sayStore(name)} with ${count.toLocaleString('en')} in force`, measure: async () => await measureStart({ ...full, upstream }, count, ended, context) }
  }
  context.say('until ready')
  const started = await measureRounds(Object.keys(starts), context, async arm => await starts[arm]!.measure(), ({ figures }) => `${figures['seconds']!.toFixed(2)} s`)
  return {
    start: {
      title: `From the start of a process until it can verify, with ${count.toLocaleString('en')} revocations in force`,
      columns: startColumns,
      arms: Object.fromEntries(Object.entries(starts).map(([arm, { what }]) => [arm, { what, rounds: started[arm]! }])),
      notes: ['The process itself, its modules and its store are part of both: what is empty is the control. Resident memory is that of the whole process at that moment.']
    },
    delay: await measureDelay(names, stores, upstream, context)
  }
}

async function measureStart (args: GatewayArgs, count: number, ended: string[], context: BenchContext): Promise<Sample> {
  const startedMs = performance.now()
  const gateway = await startGateway(context, args, 'measured')
  // The gateway listens already. When loading the snapshot took longer than the permitted age of the replica, it reads the log once
  // more before it is ready.
  while (!await gateway.ask<boolean>('isReady')) assert.ok(performance.now() - startedMs < 120_000, 'it becomes ready')
  const seconds = (performance.now() - startedMs) / 1000
  const { cpuUs } = await gateway.ask<CpuTime>('cpu')
  const rssMb = await gateway.ask<number>('rss') / 1e6
  assert.ok(await gateway.ask<number>('revocations') >= count, 'every revocation is known')
  for (const sid of ended) assert.equal(await gateway.ask<boolean>('isRevoked', sid), true, 'what was revoked is')
  assert.equal(await gateway.ask<boolean>('isRevoked', randomBytes(16).toString('base64url')), false, 'what was not is not')
  await gateway.end()
  return { figures: { seconds, cpuSeconds: cpuUs / 1e6, rssMb } }
}

async function measureDelay (names: StoreName[], stores: Record<string, Stores>, upstream: string, context: BenchContext): Promise<Table> {
  const rate = context.isQuick ? quickStreamPerSecond : streamPerSecond
  const arms: Record<string, { what: string, gateway: Gateway, fill: Child<object> | null }> = {}
  for (const name of names) {
    const gateway = await startGateway(context, { ...stores[name]!.full, upstream }, 'measured')
    arms[`${name}, quiet`] = { what: `on ${sayStore(name)}, nothing happens`, gateway, fill: null }
    arms[name] = { what: `on ${sayStore(name)}, ${rate} sessions a second end elsewhere`, gateway, fill: stores[name]!.fill }
  }
  context.say(`while ${rate} sessions a second end`)
  const samples = await measureRounds(Object.keys(arms), context, async arm => await measureOneDelay(arms[arm]!, rate, context), ({ figures }) => `p99 ${figures['p99Ms']!.toFixed(2)} ms`)
  return {
    title: `Delay of the event loop of a process that follows, ${(context.isQuick ? quickInForce : inForce).toLocaleString('en')} revocations being in force`,
    columns: delayColumns,
    arms: Object.fromEntries(Object.entries(arms).map(([arm, { what }]) => [arm, { what, rounds: samples[arm]! }])),
    notes: ['On top of the interval of 1 ms at which it is looked at.']
  }
}

async function measureOneDelay ({ gateway, fill }: { gateway: Gateway, fill: Child<object> | null }, rate: number, { seconds }: BenchContext): Promise<Sample> {
  const known = await gateway.ask<number>('revocations')
  const before = await gateway.ask<CpuTime>('cpu')
  await gateway.ask('watchDelay')
  const { ended, slowestMs } = fill === null
    ? await new Promise<{ ended: number, slowestMs: number }>(resolve => setTimeout(resolve, seconds * 1000, { ended: 0, slowestMs: 0 }))
    : await fill.ask<{ ended: number, slowestMs: number }>('stream', { perSecond: rate, seconds })
  const delay = await gateway.ask<LoopDelay>('readDelay')
  const after = await gateway.ask<CpuTime>('cpu')
  await untilKnown(gateway, known + ended)
  return { figures: { ...delay, cpuPercent: (after.cpuUs - before.cpuUs) / (after.atUs - before.atUs) * 100, ...fill === null ? {} : { slowestMs } } }
}

/** Resolves when the gateway knows the measured revocations. */
async function untilKnown (gateway: Gateway, count: number): Promise<void> {
  for (const startedMs = performance.now(); performance.now() - startedMs < 10_000;) {
    if (await gateway.ask<number>('revocations') >= count) return
  }
  throw new Error('the revocations have not arrived within ten seconds')
}

function sayStore (name: StoreName): string {
  return name === 'redis' ? 'one Redis' : 'one SQLite file'
}

function goals (name: StoreName, context: BenchContext, seen: Table, start: Table): Goal[] {
  const most = seenMostMs[name]
  return [
    { what: `p99 until another process refuses, ${name}`, unit: 'ms', digits: 2, most, value: figureOf(seen, name, 'p99Ms') },
    { what: `the same under load, ${name}`, unit: 'ms', digits: 2, most, value: figureOf(seen, `${name}, load`, 'p99Ms') },
    ...context.isQuick ? [] : [{ what: `ready with a million revocations, ${name}`, unit: 's', digits: 2, most: 3, value: figureOf(start, name, 'seconds') }]
  ]
}

function conditions ({ rounds, seconds }: BenchContext): string {
  return `${rounds} interleaved rounds; the delay of the event loop over ${seconds} s each. The process that is asked, started or watched is what is measured; the one at which sessions end, and what writes revocations past all gateways, are on the other CPU. ${sayPlacement()}`
}
