// How much memory does a request take that waits for a slow upstream, and how much do very many of them?

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { anonymous, withToken } from './gateway-hops.ts'
import { chosenArms, sayPlacement, type Bench, type BenchContext, type Child } from './harness.ts'
import { heldColumns, heldCount, measureHolders, sayHeldCount, until, type Holder, type HolderArm } from './held.ts'
import { missing, startNginx, versionOf } from './native-proxies.ts'
import type { GatewayArgs, SignedIn } from './processes/gateway.ts'
import type { WaitingRequests } from './processes/waiting-load.ts'
import { ratiosOf, type Table } from './report.ts'

const users = 100
/** The gateway's default bounds: its connections to an upstream, and the requests that wait for one of them. */
const defaultConnections = 256
const queued = 1024
const raisedConnections = 65_536

interface Processes { upstream: Child<{ url: string }>, load: Child<object>, context: BenchContext }

/** A process in front of the upstream, how to end it, and what it does with more than it may hold. */
interface Proxy extends Pick<Holder, 'pid' | 'heap' | 'end'> {
  url: string
  path: string
  clients: Array<Record<string, string>>
  /** How many requests it lets wait, and how many of them at the upstream; all others are answered 503. */
  bounds: { waiting: number, atUpstream: number }
}

export const bench: Bench = {
  question: 'How much memory does a request take that waits for a slow upstream, and how much do very many of them?',
  async measure (context) {
    const hasNginx = versionOf('nginx') !== null
    const processes: Processes = { upstream: await context.start('slow-upstream'), load: await context.start('waiting-load'), context }
    const all = armsWith(processes, hasNginx)
    const names = chosenArms(Object.keys(all), context.arms)
    const arms = await measureHolders(Object.fromEntries(names.map(name => [name, all[name]!])), context)
    const samples = Object.fromEntries(names.map(name => [name, arms[name]!.rounds]))
    const table: Table = {
      title: `${heldCount(context).toLocaleString('en')} requests at once, while the upstream answers none`,
      columns: heldColumns,
      plot: { columns: ['rssKb', 'growthMb'], own: names.filter(name => name.startsWith('gateway')) },
      arms,
      ratios: ratiosOf(samples, 'rssKb', [['gateway', 'floor'], ['gateway', 'nginx']]),
      notes: [`By default an upstream gets ${defaultConnections} connections, and ${queued} requests wait for one of them: every further request is answered 503 at once, so that the memory does not grow with their number.`]
    }
    return { conditions: conditions(context), tables: [table], goals: [], notRun: hasNginx ? [] : [`nginx: ${missing('nginx')}`] }
  }
}

function armsWith (processes: Processes, hasNginx: boolean): Record<string, HolderArm> {
  const arm = (what: string, start: (processes: Processes) => Promise<Proxy>): HolderArm => ({ what, start: async () => holderOf(await start(processes), processes) })
  return {
    floor: arm('node:http and undici dispatch, nothing else', startFloor),
    gateway: arm('gateway, access tokens seen before, minted token for the upstream; every request has a connection to the upstream (connections: 65536)', async processes => await startGateway(processes, false)),
    'gateway bounded': arm('the same gateway with its default bounds', async processes => await startGateway(processes, true)),
    ...hasNginx ? { nginx: arm(`nginx ${versionOf('nginx')}, one worker, no authentication`, startNginxProxy) } : {}
  }
}

async function startFloor ({ upstream, context }: Processes): Promise<Proxy> {
  const floor = await context.start<{ url: string }>('floor', { args: { upstream: upstream.ready.url }, place: 'measured' })
  return { ...ofChild(floor), path: '/orders/42', clients: [anonymous], bounds: unbounded }
}

let databases = 0

async function startGateway ({ upstream, context }: Processes, isBounded: boolean): Promise<Proxy> {
  const slow = { target: upstream.ready.url, audience: 'orders', scopes: ['orders:read'], timeout: '10m' }
  const args: GatewayArgs = {
    store: { type: 'sqlite', path: join(context.directory, `waiting-${databases++}.db`) },
    upstream: upstream.ready.url,
    further: [{ prefix: '/raised', ...slow, connections: raisedConnections }, { prefix: '/bounded', ...slow }]
  }
  const gateway = await context.start<{ url: string }>('gateway', { args, place: 'measured' })
  const tokens = await gateway.ask<SignedIn[]>('signIn', { first: 0, count: users, mode: 'tokens' })
  return {
    ...ofChild(gateway),
    path: isBounded ? '/bounded/42' : '/raised/42',
    clients: tokens.map(({ token }) => withToken(token)),
    bounds: isBounded ? { waiting: defaultConnections + queued, atUpstream: defaultConnections } : unbounded
  }
}

async function startNginxProxy ({ upstream, context }: Processes): Promise<Proxy> {
  const proxy = await startNginx(upstream.ready.url, context, { directives: ['proxy_read_timeout 600s'], connections: 4 * heldCount(context) })
  return { ...proxy, heap: null, path: '/orders/42', clients: [anonymous], bounds: unbounded }
}

const unbounded = { waiting: Infinity, atUpstream: Infinity }

function ofChild (child: Child<{ url: string }>): Pick<Proxy, 'url' | 'pid' | 'heap' | 'end'> {
  return { url: child.ready.url, pid: child.pid, heap: async () => await child.ask<number>('heap'), end: async () => { await child.end() } }
}

function holderOf ({ pid, heap, end, url, path, clients, bounds }: Proxy, { upstream, load }: Processes): Holder {
  let expected: Record<string, number> = {}
  const answers = async (): Promise<Record<string, number>> => await load.ask('answers')
  const held = async (): Promise<number> => await upstream.ask('held')
  return {
    pid,
    heap,
    end,
    async hold (count) {
      const waiting = Math.min(count, bounds.waiting)
      const refused = count - waiting
      const isComplete = async (): Promise<boolean> => await held() === Math.min(count, bounds.atUpstream) && ((await answers())['503'] ?? 0) === refused
      expected = { 200: waiting, ...refused === 0 ? {} : { 503: refused } }
      await upstream.ask('hold')
      await load.ask('send', { url, path, clients, count } satisfies WaitingRequests)
      await until(isComplete, async () => `${await held()} of ${count} requests wait at the upstream, and the answers are ${JSON.stringify(await answers())}`)
      return waiting
    },
    async release () {
      await upstream.ask('release')
      const count = Object.values(expected).reduce((sum, one) => sum + one, 0)
      await until(async () => Object.values(await answers()).reduce((sum, one) => sum + one, 0) >= count, async () => `of ${count} requests are answered ${JSON.stringify(await answers())}`)
      assert.deepEqual(await answers(), expected, 'each request is answered 200, or 503 where that is the bound')
      await load.ask('end')
    }
  }
}

function conditions (context: BenchContext): string {
  return `${context.rounds} interleaved rounds, each with a fresh process; each request on a separate connection. ${sayHeldCount(context)}All of them have waited for ${context.seconds} s when the memory is read: that of the process beyond what it had after ${users * 2} other requests; then its heap after a collection of garbage. Every request that had to wait is answered in the end, which is checked. What the system itself needs for a connection is in no figure. ${sayPlacement()}`
}
