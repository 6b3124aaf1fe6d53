// What does a message of a WebSocket cost through the gateway, and how much memory does an open one take?

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { anonymous, resign, withToken } from './gateway-hops.ts'
import { chosenArms, interleave, measureRounds, sayPlacement, type Bench, type BenchContext, type Child } from './harness.ts'
import { heldColumns, heldCount, measureHolders, sayHeldCount, until, type Holder } from './held.ts'
import { usageOf, type Usage } from './hop.ts'
import { missing, startNginx, versionOf } from './native-proxies.ts'
import type { CpuTime } from './processes/child.ts'
import type { GatewayArgs, SignedIn } from './processes/gateway.ts'
import type { Exchanged, Sockets } from './processes/websocket-load.ts'
import { ratiosOf, type Sample, type Table } from './report.ts'

const users = 100
const connections = 32

interface Processes { upstream: Child<{ url: string }>, load: Child<object>, context: BenchContext }
interface Proxy extends Pick<Holder, 'pid' | 'heap' | 'end'> {
  url: string
  usage: Usage
  clients: Array<Record<string, string>>
}
interface ProxyArm { what: string, start: (processes: Processes) => Promise<Proxy> }

const messageColumns: Table['columns'] = {
  perSecond: { head: 'messages/s', digits: 0, isThroughput: true },
  cpuUs: { head: 'CPU µs/message', digits: 1 },
  p50Ms: { head: 'p50 ms', digits: 2, isThroughput: true },
  p99Ms: { head: 'p99 ms', digits: 2, isThroughput: true }
}

export const bench: Bench = {
  question: 'What does a message of a WebSocket cost through the gateway, and how much memory does an open one take?',
  async measure (context) {
    const hasNginx = versionOf('nginx') !== null
    const all: Record<string, ProxyArm> = {
      gateway: { what: 'gateway, an access token at the handshake', start: startGateway },
      ...hasNginx ? { nginx: { what: `nginx ${versionOf('nginx')}, one worker, no authentication`, start: startNginxProxy } } : {}
    }
    const names = chosenArms(Object.keys(all), context.arms)
    const arms = Object.fromEntries(names.map(name => [name, all[name]!]))
    const processes: Processes = { upstream: await context.start('websocket-upstream'), load: await context.start('websocket-load'), context }
    const tables = [await measureMessages(arms, processes), await measureOpen(arms, processes)]
    return { conditions: conditions(context), tables, goals: [], notRun: hasNginx ? [] : [`nginx: ${missing('nginx')}`] }
  }
}

let databases = 0

async function startGateway ({ upstream, context }: Processes): Promise<Proxy> {
  const args: GatewayArgs = {
    store: { type: 'sqlite', path: join(context.directory, `websocket-${databases++}.db`) },
    upstream: upstream.ready.url,
    further: [{ prefix: '/live', target: upstream.ready.url, audience: 'live', scopes: ['orders:read'], websocket: true }]
  }
  const gateway = await context.start<{ url: string }>('gateway', { args, place: 'measured' })
  const { url } = gateway.ready
  const tokens = (await gateway.ask<SignedIn[]>('signIn', { first: 0, count: users, mode: 'tokens' })).map(({ token }) => token)
  await refuses(url, withToken(resign(tokens[0]!, tokens[1]!)))
  return { url, usage: usageOf(gateway), pid: gateway.pid, clients: tokens.map(withToken), heap: async () => await gateway.ask<number>('heap'), end: async () => { await gateway.end() } }
}

/** Checks that a wrong token is refused, because a gateway that admits every client would cost less. */
async function refuses (url: string, headers: Record<string, string>): Promise<void> {
  const refused = await fetch(`${url}/live/42`, { headers })
  await refused.arrayBuffer()
  assert.equal(refused.status, 401, 'a wrong signature is answered 401')
}

async function startNginxProxy ({ upstream, context }: Processes): Promise<Proxy> {
  const directives = ['proxy_set_header Upgrade $http_upgrade', 'proxy_read_timeout 600s']
  const proxy = await startNginx(upstream.ready.url, context, { directives, connection: 'upgrade', connections: 4 * heldCount(context) })
  return { ...proxy, clients: [anonymous], heap: null }
}

const socketsOf = ({ url, clients }: Proxy, count: number): Sockets => ({ url, path: '/live/42', clients, count })

async function measureMessages (arms: Record<string, ProxyArm>, processes: Processes): Promise<Table> {
  const { context } = processes
  const names = Object.keys(arms)
  const started: Record<string, Proxy> = {}
  for (const name of names) started[name] = await arms[name]!.start(processes)
  for (const order of interleave(names, context.isQuick ? 1 : 2)) {
    context.say(`warming up ${order.join(', ')}`)
    for (const name of order) await measureMessagesOnce(started[name]!, processes, context.isQuick ? 1 : 2)
  }
  const samples = await measureRounds(names, context, async name => await measureMessagesOnce(started[name]!, processes, context.seconds), ({ figures }) => `${figures['cpuUs']!.toFixed(1)} µs`)
  for (const { end } of Object.values(started)) await end()
  return {
    title: 'Messages as fast as they come back',
    columns: messageColumns,
    plot: { columns: ['cpuUs'], own: ['gateway'] },
    arms: Object.fromEntries(names.map(name => [name, { what: arms[name]!.what, rounds: samples[name]! }])),
    ratios: ratiosOf(samples, 'cpuUs', [['gateway', 'nginx']]),
    notes: ['A message here is one to the upstream and the same one back.']
  }
}

async function measureMessagesOnce (proxy: Proxy, { upstream, load }: Processes, seconds: number): Promise<Sample> {
  await load.ask('open', socketsOf(proxy, connections))
  const usages = async (): Promise<[own: CpuTime, beside: CpuTime]> => [await proxy.usage(), await usageOf(upstream)()]
  const before = await usages()
  const { messages, seconds: took, cpuUs: loadUs, p50Ms, p99Ms } = await load.ask<Exchanged>('exchange', { seconds })
  const after = await usages()
  await load.ask('end')
  const shareOf = (at: 0 | 1): number => (after[at].cpuUs - before[at].cpuUs) / (after[at].atUs - before[at].atUs)
  return {
    figures: { perSecond: messages / took, cpuUs: (after[0].cpuUs - before[0].cpuUs) / messages, p50Ms, p99Ms },
    shares: { process: shareOf(0), load: loadUs / (took * 1e6), beside: shareOf(1) }
  }
}

async function measureOpen (arms: Record<string, ProxyArm>, processes: Processes): Promise<Table> {
  const { context } = processes
  const holders = Object.fromEntries(Object.entries(arms).map(([name, { what, start }]) => [name, { what, start: async () => holderOf(await start(processes), processes) }]))
  const measured = await measureHolders(holders, context)
  return {
    title: `${heldCount(context).toLocaleString('en')} open WebSockets`,
    columns: heldColumns,
    plot: { columns: ['rssKb'], own: ['gateway'] },
    arms: measured,
    ratios: ratiosOf(Object.fromEntries(Object.entries(measured).map(([name, { rounds }]) => [name, rounds])), 'rssKb', [['gateway', 'nginx']])
  }
}

function holderOf (proxy: Proxy, { upstream, load }: Processes): Holder {
  const open = async (): Promise<number> => await upstream.ask('open')
  const untilOpen = async (count: number): Promise<void> => {
    await until(async () => await open() === count, async () => `${await open()} WebSockets are open at the upstream, not ${count}`)
  }
  return {
    ...proxy,
    async hold (count) {
      await load.ask('open', socketsOf(proxy, count))
      await untilOpen(count)
      return count
    },
    async release () {
      await load.ask('end')
      await untilOpen(0)
    }
  }
}

function conditions (context: BenchContext): string {
  return `${context.rounds} interleaved rounds of ${context.seconds} s for each arm after two warm-ups; ${connections} WebSockets, one message of some 60 bytes at a time on each, the next when it has come back; each is compared with what was sent. For the memory each round has a fresh process, and on each WebSocket one message has passed; it is read ${context.seconds} s after all are open: that of the process beyond what it had after 200 others; then its heap after a collection of garbage. ${sayHeldCount(context)}What the system itself needs for a connection is in no figure. ${sayPlacement()}`
}
