// Why do two load generators disagree about what the gateway costs?

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setInterval } from 'node:timers'
import { pick, startGatewayHops, startUpstream } from './gateway-hops.ts'
import { chosenArms, placement, type Bench, type BenchContext, type Place } from './harness.ts'
import { armsOf, hopColumns, hopConditions, measureHopRounds, prepareHops, type Generator, type Hop, type Surroundings } from './hop.ts'
import { treeUsOf } from './machine.ts'
import { missing, startNginx, versionOf } from './native-proxies.ts'
import type { Load, LoadResult } from './processes/load.ts'
import { ratiosOf, type Sample, type Table } from './report.ts'

/** What differs between the harnesses. Each takes one step from that of the other benches to the other one. */
interface Harness { what: string, generator: 'autocannon' | 'wrk', upstream: 'node' | 'nginx', place: Place }

const harnesses: Record<string, Harness> = {
  'autocannon-node': { what: 'autocannon, upstream in Node, as in the other benches', generator: 'autocannon', upstream: 'node', place: 'measured' },
  'autocannon-nginx': { what: 'autocannon, upstream nginx', generator: 'autocannon', upstream: 'nginx', place: 'measured' },
  'wrk-node': { what: 'wrk, upstream in Node', generator: 'wrk', upstream: 'node', place: 'measured' },
  'wrk-nginx': { what: 'wrk, upstream nginx', generator: 'wrk', upstream: 'nginx', place: 'measured' },
  'wrk-nginx-unpinned': { what: 'wrk, upstream nginx, nothing pinned to a CPU', generator: 'wrk', upstream: 'nginx', place: 'anywhere' }
}

const measured = ['floor', 'public', 'token'] as const

export const bench: Bench = {
  question: 'Why do two load generators disagree about what the gateway costs?',
  async measure (context) {
    const notRun = [...hasWrk() ? [] : ['wrk: wrk is not installed (Debian: apt-get install wrk)'], ...versionOf('nginx') === null ? [`nginx: ${missing('nginx')}`] : []]
    const names = chosenArms(Object.keys(harnesses).filter(name => canRun(harnesses[name]!)), context.arms)
    const arms = await startArms(names, context)
    const hops = Object.fromEntries(Object.entries(arms).map(([name, { hop }]) => [name, hop]))
    const samples: Record<string, Sample[]> = {}
    // The arms of a harness are interleaved with each other, because their ratio is what is compared.
    for (const harness of names) {
      const own = Object.fromEntries(Object.entries(hops).filter(([name]) => name.endsWith(`: ${harness}`)))
      const { surroundings } = arms[`token: ${harness}`]!
      await prepareHops(own, surroundings, context)
      Object.assign(samples, await measureHopRounds(own, surroundings, context))
    }
    const table: Table = {
      title: 'The same requests to the same programs',
      columns: { cpuUs: hopColumns['cpuUs']!, perTurn: { head: 'requests/turn', digits: 1 }, requestsPerSecond: hopColumns['requestsPerSecond']! },
      arms: armsOf(hops, samples),
      ratios: ratiosOf(samples, 'cpuUs', names.flatMap(harness => [[`public: ${harness}`, `floor: ${harness}`], [`token: ${harness}`, `floor: ${harness}`]] as Array<[string, string]>)),
      notes: ['A turn is one turn of the event loop: a process that finds more requests ready in a turn wakes up less often for each of them. Compare the differences between the harnesses with the spread within one of them: a difference that is smaller comes from the machine, whose speed changes between the rounds, and not from the harness.']
    }
    return { conditions: `${hopConditions(context)}; SQLite file store; metrics on, log level error.`, tables: [table], goals: [], notRun }
  }
}

function hasWrk (): boolean {
  return spawnSync('wrk', ['-v']).error === undefined
}

function canRun ({ generator, upstream }: Harness): boolean {
  return (generator === 'autocannon' || hasWrk()) && (upstream === 'node' || versionOf('nginx') !== null)
}

async function startArms (names: readonly string[], context: BenchContext): Promise<Record<string, { hop: Hop, surroundings: Surroundings }>> {
  const { upstream, surroundings } = await startUpstream(context)
  const nginx = names.some(name => harnesses[name]!.upstream === 'nginx') ? await startNginx(upstream, context, { answer: surroundings.body, place: 'rest' }) : null
  const started = new Map<string, Record<string, Hop>>()
  const arms: Record<string, { hop: Hop, surroundings: Surroundings }> = {}
  for (const name of names) {
    const harness = harnesses[name]!
    const behind = `${harness.upstream}-${harness.place}`
    if (!started.has(behind)) started.set(behind, await startGatewayHops(harness.upstream === 'node' ? upstream : nginx!.url, context, { name: behind, place: harness.place }))
    const load = harness.generator === 'wrk' ? createWrk(context, harness.place) : surroundings.load
    const beside = harness.upstream === 'node' ? surroundings.beside : [nginx!.usage]
    for (const [arm, hop] of Object.entries(pick(started.get(behind)!, measured))) arms[`${arm}: ${name}`] = { hop: { ...hop, what: `${arm}; ${harness.what}` }, surroundings: { ...surroundings, load, beside } }
  }
  return arms
}

/** wrk with one thread. Each connection sends the headers of all clients in turn. */
function createWrk (context: BenchContext, place: Place): Generator {
  return {
    async ask<Answer> (_name: string, question?: unknown): Promise<Answer> {
      return await runWrk(question as Load, context, place) as Answer
    }
  }
}

async function runWrk ({ url, path, clients, connections, seconds, status }: Load, context: BenchContext, place: Place): Promise<LoadResult> {
  const script = join(context.directory, 'wrk.lua')
  await writeFile(script, luaOf(clients, path, status))
  const command = ['wrk', '-t', '1', '-c', String(connections), '-d', `${seconds}s`, '-s', script, url]
  const cpu = place === 'anywhere' ? undefined : placement()?.rest
  const [file = '', ...rest] = cpu === undefined ? command : ['taskset', '-c', String(cpu), ...command]
  const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'inherit'] })
  let cpuUs = 0
  const looking = setInterval(() => { cpuUs = lastUsOf(child.pid ?? 0, cpuUs) }, 50)
  const printed = await text(child.stdout)
  clearInterval(looking)
  const [, requests, us, failures, p50, p99] = /^result (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(printed) ?? assert.fail(`wrk printed:\n${printed}`)
  return { requests: Number(requests), seconds: Number(us) / 1e6, failures: Number(failures), p50Ms: Number(p50) / 1000, p99Ms: Number(p99) / 1000, cpuUs }
}

/** Returns the CPU time of a process, and the last known one once it has ended. */
function lastUsOf (pid: number, before: number): number {
  try {
    return treeUsOf(pid)
  } catch {
    return before
  }
}

/** Returns the script of wrk: the requests are formatted before the run. */
function luaOf (clients: ReadonlyArray<Record<string, string>>, path: string, status: number): string {
  const requests = clients.map(headers => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
  return `local requests = {${requests.map(request => JSON.stringify(request)).join(',\n')}}
local at = 0
others = 0
local thread
function setup(one) thread = one end
function request()
  at = at % #requests + 1
  return requests[at]
end
function response(status) if status ~= ${status} then others = others + 1 end end
function done(summary, latency)
  local errors = summary.errors
  print(string.format("result %d %d %d %d %d", summary.requests, summary.duration, thread:get("others") + errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50), latency:percentile(99)))
end
`
}
