// What does a second process bring, and does a request cost more with it?

import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { chosenArms, interleave, measureRounds, sayPlacement, type Bench, type BenchContext, type Child } from './harness.ts'
import { browser, otherCookies } from './headers.ts'
import { treeUsOf } from './machine.ts'
import type { CpuTime } from './processes/child.ts'
import type { Load, LoadResult } from './processes/load.ts'
import { ratiosOf, type Sample, type Table } from './report.ts'

const users = 500
const connections = 32
const path = '/orders/42'

interface Gateway { url: string, pid: number, workers: number }

interface Arm {
  what: string
  gateway: Gateway
  clients: Array<Record<string, string>>
  bad: Record<string, string>
}

interface Helpers { upstream: Child<{ url: string, body: string }>, load: Child<object> }

const columns: Table['columns'] = {
  requestsPerSecond: { head: 'requests/s', digits: 0, isThroughput: true },
  cpuUs: { head: 'CPU µs/request', digits: 1 },
  p50Ms: { head: 'p50 ms', digits: 2, isThroughput: true },
  p99Ms: { head: 'p99 ms', digits: 2, isThroughput: true }
}

export const bench: Bench = {
  question: 'What does a second process bring, and does a request cost more with it?',
  async measure (context) {
    const helpers: Helpers = { upstream: await context.start('upstream'), load: await context.start('load') }
    const all: Record<string, Arm> = {}
    for (const workers of [1, 2]) Object.assign(all, await createArms(await startGateway(workers, helpers.upstream.ready.url, context)))
    const names = chosenArms(Object.keys(all), context.arms)
    for (const name of names) await probe(name, all[name]!, helpers.upstream.ready.body)
    for (const order of interleave(names, context.isQuick ? 1 : 2)) {
      context.say(`warming up ${order.join(', ')}`)
      for (const name of order) await measure(all[name]!, helpers, context.isQuick ? 1 : 2)
    }
    const samples = await measureRounds(names, context, async name => await measure(all[name]!, helpers, context.seconds), ({ figures }) => `${figures['requestsPerSecond']!.toFixed(0)}/s at ${figures['cpuUs']!.toFixed(0)} µs`)
    const pairs = [['token 2', 'token 1'], ['cookie 2', 'cookie 1']] as const
    const table: Table = {
      title: 'Requests as fast as they are answered, by credentials seen before',
      columns,
      arms: Object.fromEntries(names.map(name => [name, { what: all[name]!.what, rounds: samples[name]!, ...voidOn(all[name]!.gateway.workers) }])),
      ratios: ratiosOf(samples, 'cpuUs', pairs)
    }
    return { conditions: conditions(context), tables: [table], goals: [], notRun: [] }
  }
}

/** Starts the command itself, as operators do. */
async function startGateway (workers: number, upstream: string, context: BenchContext): Promise<Gateway> {
  const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
  const command = [process.execPath, file('../cli.ts'), 'start', '--config', file('processes/workers.config.ts'), '--workers', String(workers)]
  const child = context.run(command, workers === 1 ? 'measured' : 'anywhere', { stdout: true, env: { BENCH_UPSTREAM: upstream, BENCH_STORE: join(context.directory, `workers-${workers}.db`) } })
  return { url: await urlOf(child), pid: child.pid ?? 0, workers }
}

async function urlOf (child: ChildProcess): Promise<string> {
  return await new Promise((resolve, reject) => {
    let printed = ''
    child.stdout?.on('data', chunk => {
      printed += String(chunk)
      const url = /^portcullis listening on (\S+)\n/m.exec(printed)?.[1]
      if (url !== undefined) resolve(url)
    })
    child.once('exit', code => { reject(new Error(`portcullis start ended with code ${code}`)) })
  })
}

async function createArms (gateway: Gateway): Promise<Record<string, Arm>> {
  const { url, workers } = gateway
  const names = Array.from({ length: users }, (_, index) => `user-${index}`)
  const tokens: string[] = []
  const cookies: string[] = []
  for (const username of names) {
    tokens.push((await signIn(url, username, 'tokens')).token)
    cookies.push((await signIn(url, username, 'session')).cookie)
  }
  const processes = workers === 1 ? 'one process' : `${workers} worker processes`
  const headers = (more: Record<string, string>): Record<string, string> => ({ ...browser, cookie: otherCookies, ...more })
  return {
    [`token ${workers}`]: { what: `${processes}, ${users} access tokens`, gateway, clients: tokens.map(token => headers({ authorization: `Bearer ${token}` })), bad: headers({ authorization: `Bearer ${tokens[0]!.slice(0, -4)}AAAA` }) },
    [`cookie ${workers}`]: { what: `${processes}, ${users} session cookies`, gateway, clients: cookies.map(cookie => headers({ cookie: `${otherCookies}; ${cookie}` })), bad: headers({ cookie: `${cookies[0]!.slice(0, -4)}AAAA` }) }
  }
}

async function signIn (url: string, username: string, mode: 'tokens' | 'session'): Promise<{ token: string, cookie: string }> {
  const response = await fetch(`${url}/auth/login`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ username, password: 'right', mode }) })
  assert.equal(response.status, 200, 'sign-in is answered 200')
  const { access_token: token = '' } = await response.json() as { access_token?: string }
  return { token, cookie: response.headers.getSetCookie()[0]?.split(';')[0] ?? '' }
}

async function probe (name: string, { gateway: { url }, clients, bad }: Arm, body: string): Promise<void> {
  for (const headers of [clients[0]!, clients.at(-1)!]) {
    const response = await fetch(url + path, { headers })
    assert.equal(await text(response.body!), body, `${name}: a good request is answered with the upstream's body`)
  }
  const refused = await fetch(url + path, { headers: bad })
  await refused.arrayBuffer()
  assert.equal(refused.status, 401, `${name}: a bad credential is answered 401`)
}

async function measure ({ gateway, clients }: Arm, { load, upstream }: Helpers, seconds: number): Promise<Sample> {
  const question: Load = { url: gateway.url, path, clients, connections, seconds, status: 200, body: upstream.ready.body }
  const before = { gateway: treeUsOf(gateway.pid), beside: await upstream.ask<CpuTime>('cpu') }
  const result = await load.ask<LoadResult>('run', question)
  const after = { gateway: treeUsOf(gateway.pid), beside: await upstream.ask<CpuTime>('cpu') }
  assert.equal(result.failures, 0, 'every request is answered 200 with the right body')
  const wallUs = after.beside.atUs - before.beside.atUs
  const cpuUs = after.gateway - before.gateway
  return {
    figures: { requestsPerSecond: result.requests / result.seconds, cpuUs: cpuUs / result.requests, p50Ms: result.p50Ms, p99Ms: result.p99Ms },
    shares: { process: cpuUs / wallUs / gateway.workers, load: result.cpuUs / (result.seconds * 1e6), beside: (after.beside.cpuUs - before.beside.cpuUs) / wallUs }
  }
}

/** Returns why the throughput is void: that of several processes is meaningful only when load and upstream have separate CPUs. */
function voidOn (workers: number): { isVoidBecause?: string } {
  return workers === 1 || cpus().length >= workers + 2 ? {} : { isVoidBecause: `${workers} workers, the load generator and the upstream share ${cpus().length} CPUs` }
}

function conditions ({ rounds, seconds }: BenchContext): string {
  return `${rounds} interleaved rounds of ${seconds} s for each arm after two warm-ups; \`portcullis start --workers N\` with SQLite; ${connections} connections, one request at a time on each. The CPU time is that of all processes of the gateway, the one that sees after the workers included; the share is that of each worker's CPU. ${sayPlacement()} Two workers run wherever the system likes.`
}
