// What does a megabyte of a body cost through the gateway, and what through other proxies?

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { anonymous, resign, withToken } from './gateway-hops.ts'
import { chosenArms, interleave, measureRounds, sayPlacement, type Bench, type BenchContext, type Child } from './harness.ts'
import { usageOf, type Usage } from './hop.ts'
import { missing, startNginx, versionOf } from './native-proxies.ts'
import type { Transferred, Transfers } from './processes/body-load.ts'
import type { CpuTime } from './processes/child.ts'
import type { GatewayArgs, SignedIn } from './processes/gateway.ts'
import { bodyChunk } from './processes/raw-http.ts'
import { ratioGoal, ratiosOf, type Goal, type Sample, type Table } from './report.ts'

const connections = 4
const megabyte = bodyChunk.length
const sizes = [1, 100]
const shortNames = { download: 'down', upload: 'up' } as const
const proxies = ['gateway', 'nginx', 'nginx-buffered', 'http-proxy'] as const

type Direction = keyof typeof shortNames
type ProxyName = (typeof proxies)[number]
interface Proxy { what: string, url: string, usage: Usage, headers: Record<string, string>, refused: Record<string, string> | null }
interface BodyArm { proxy: ProxyName, direction: Direction, megabytes: number }

const columns: Table['columns'] = {
  perSecond: { head: 'MB/s', digits: 0, isThroughput: true },
  cpuUs: { head: 'CPU µs/MB', digits: 0 },
  perCore: { head: 'MB/s of one core', digits: 0 }
}

const nameOf = ({ proxy, direction, megabytes }: BodyArm): string => `${proxy} ${shortNames[direction]} ${megabytes} MB`

export const bench: Bench = {
  question: 'What does a megabyte of a body cost through the gateway, and what through other proxies?',
  packages: ['@fastify/http-proxy'],
  async measure (context) {
    const hasNginx = versionOf('nginx') !== null
    const possible = allArms().filter(({ proxy }) => hasNginx || !proxy.startsWith('nginx'))
    const names = chosenArms(possible.map(nameOf), context.arms)
    const arms = Object.fromEntries(possible.map(arm => [nameOf(arm), arm] as const).filter(([name]) => names.includes(name)))
    const upstream = await context.start<{ url: string }>('body-upstream')
    const started = await startProxies(new Set(Object.values(arms).map(({ proxy }) => proxy)), upstream.ready.url, context)
    const load = await context.start<object>('body-load')
    for (const { proxy } of Object.values(arms)) await probe(proxy, started[proxy]!)
    const measure = async (name: string, seconds: number): Promise<Sample> => await measureArm(arms[name]!, started, { load, upstream: usageOf(upstream), seconds })
    for (const order of interleave(names, context.isQuick ? 1 : 2)) {
      context.say(`warming up ${order.join(', ')}`)
      for (const name of order) await measure(name, 1)
    }
    const samples = await measureRounds(names, context, async name => await measure(name, context.seconds), ({ figures }) => `${figures['cpuUs']!.toFixed(0)} µs`)
    const tables = (['download', 'upload'] as const).map(direction => toTable(direction, arms, started, samples)).filter(({ arms }) => Object.keys(arms).length > 0)
    return { conditions: conditions(context), tables, goals: tables.flatMap(goals), notRun: hasNginx ? [] : [`nginx, nginx-buffered: ${missing('nginx')}`] }
  }
}

function allArms (): BodyArm[] {
  const arms = (['download', 'upload'] as const).flatMap(direction => sizes.flatMap(megabytes => proxies.map((proxy): BodyArm => ({ proxy, direction, megabytes }))))
  return arms.filter(({ proxy, direction }) => proxy !== 'nginx-buffered' || direction === 'upload')
}

async function startProxies (names: Set<ProxyName>, upstream: string, context: BenchContext): Promise<Partial<Record<ProxyName, Proxy>>> {
  const start: Record<ProxyName, () => Promise<Proxy>> = {
    gateway: async () => await startGateway(upstream, context),
    nginx: async () => await startNginxArm('that holds no body back (proxy_request_buffering off, proxy_max_temp_file_size 0)', ['proxy_request_buffering off', 'proxy_max_temp_file_size 0']),
    'nginx-buffered': async () => await startNginxArm('that reads a whole upload first, into a file, as it does by default', []),
    'http-proxy': async () => {
      const server = await context.start<{ url: string }>('peers/http-proxy', { args: { upstream }, place: 'measured' })
      return { what: '@fastify/http-proxy, no authentication', url: server.ready.url, usage: usageOf(server), headers: anonymous, refused: null }
    }
  }
  async function startNginxArm (how: string, directives: string[]): Promise<Proxy> {
    const { url, usage } = await startNginx(upstream, context, { directives: ['client_max_body_size 0', ...directives] })
    return { what: `nginx ${versionOf('nginx')}, one worker, no authentication, ${how}`, url, usage, headers: anonymous, refused: null }
  }
  const started: Partial<Record<ProxyName, Proxy>> = {}
  for (const name of names) started[name] = await start[name]()
  return started
}

async function startGateway (upstream: string, context: BenchContext): Promise<Proxy> {
  const args: GatewayArgs = { store: { type: 'sqlite', path: join(context.directory, 'gateway.db') }, upstream }
  const gateway = await context.start<{ url: string }>('gateway', { args, place: 'measured' })
  const [one, other] = await gateway.ask<SignedIn[]>('signIn', { first: 0, count: 2, mode: 'tokens' })
  return {
    what: 'gateway, an ES256 access token seen before, minted token for the upstream',
    url: gateway.ready.url,
    usage: usageOf(gateway),
    headers: withToken(one!.token),
    refused: withToken(resign(one!.token, other!.token))
  }
}

/** Checks that bodies pass unchanged in both directions, and that a wrong token is refused where tokens are verified. */
async function probe (name: string, { url, headers, refused }: Proxy): Promise<void> {
  const body = randomBytes(megabyte)
  const upload = await fetch(`${url}/orders/digest`, { method: 'POST', body, headers: { ...headers, 'content-type': 'application/octet-stream' } })
  assert.equal(`${upload.status} ${await upload.text()}`, `200 ${createHash('sha256').update(body).digest('hex')}`, `${name}: an upload arrives as it was sent`)
  const download = await fetch(`${url}/orders/${megabyte}`, { headers })
  assert.equal(download.status, 200, `${name}: a download is answered 200`)
  assert.ok(bodyChunk.equals(Buffer.from(await download.arrayBuffer())), `${name}: a download arrives as it was sent`)
  if (refused === null) return
  const answer = await fetch(`${url}/orders/${megabyte}`, { headers: refused })
  await answer.arrayBuffer()
  assert.equal(answer.status, 401, `${name}: a wrong signature is answered 401`)
}

async function measureArm ({ proxy, direction, megabytes }: BodyArm, started: Partial<Record<ProxyName, Proxy>>, { load, upstream, seconds }: { load: Child<object>, upstream: Usage, seconds: number }): Promise<Sample> {
  const { url, usage, headers } = started[proxy]!
  const bytes = megabytes * megabyte
  const question: Transfers = { url, path: direction === 'download' ? `/orders/${bytes}` : '/orders/sink', headers, direction, bytes, connections, seconds }
  const look = async (): Promise<[own: CpuTime, beside: CpuTime]> => [await usage(), await upstream()]
  const before = await look()
  const { transfers, seconds: took, cpuUs: loadUs } = await load.ask<Transferred>('run', question)
  const after = await look()
  const cpuUs = (after[0].cpuUs - before[0].cpuUs) / (transfers * megabytes)
  const shareOf = (at: 0 | 1): number => (after[at].cpuUs - before[at].cpuUs) / (after[at].atUs - before[at].atUs)
  return {
    figures: { perSecond: transfers * megabytes / took, cpuUs, perCore: 1e6 / cpuUs },
    shares: { process: shareOf(0), load: loadUs / (took * 1e6), beside: shareOf(1) }
  }
}

function toTable (direction: Direction, arms: Record<string, BodyArm>, started: Partial<Record<ProxyName, Proxy>>, samples: Record<string, Sample[]>): Table {
  const own = Object.entries(arms).filter(([, arm]) => arm.direction === direction)
  const names = own.map(([name]) => name)
  const pairs = own.flatMap(([name, arm]) => arm.proxy !== 'gateway' ? [] : proxies.slice(1).map(proxy => [name, nameOf({ ...arm, proxy })] as const))
  return {
    title: direction === 'download' ? 'Downloads' : 'Uploads',
    columns,
    plot: { columns: ['perCore'], own: names.filter(name => name.startsWith('gateway')) },
    arms: Object.fromEntries(own.map(([name, { proxy, megabytes }]) => [name, { what: `bodies of ${megabytes} MB; ${started[proxy]!.what}`, rounds: samples[name]! }])),
    ratios: ratiosOf(samples, 'perCore', pairs),
    notes: ['MB/s of one core is what one CPU would transfer if nothing else were the limit: the inverse of the CPU time.']
  }
}

function goals (table: Table): Goal[] {
  return Object.keys(table.ratios?.of ?? {}).filter(pair => pair.includes('/nginx ')).flatMap(pair => {
    const [name = ''] = pair.split('/')
    return ratioGoal(table, pair, { what: `${name}, to nginx (MB/s of one core)`, least: 0.8 })
  })
}

function conditions ({ rounds, seconds }: BenchContext): string {
  return `${rounds} interleaved rounds of ${seconds} s for each arm after two warm-ups; ${connections} connections, one transfer at a time on each, the last ones finished after the time; a MB is 1,000,000 bytes; Content-Length in both directions; plain HTTP on loopback. ${sayPlacement()}`
}
