// What does the gateway cost per request, and what of that is verification, once a credential has been seen?

import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeMachine, interleave, placement, startChild, type Child } from './harness.ts'
import type { CpuTime } from './processes/child.ts'
import type { Load, LoadResult } from './processes/load.ts'
import { formatPage, formatReport, type Report, type Sample } from './report.ts'

const question = 'What does the gateway cost per request, and what of that is verification, once a credential has been seen?'

/** As a browser sends them; every arm sends these. */
const browser = {
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0',
  accept: 'application/json, text/plain, */*',
  'accept-language': 'en-GB,en;q=0.7,de;q=0.3',
  'accept-encoding': 'gzip, deflate, br, zstd',
  referer: 'https://app.example.com/orders',
  'sec-fetch-dest': 'empty',
  'sec-fetch-mode': 'cors',
  'sec-fetch-site': 'same-origin',
  'cache-control': 'no-cache'
}
const otherCookies = 'theme=dark; _ga=GA1.1.1038402131.1755000000'
const users = 500
const connections = 32
const warmUpSeconds = 2
/** Access tokens live for 15 minutes; one that expires in a run would be a failure of the run. */
const longestRunSeconds = 720

const help = `node bench/gateway.ts [options]

${question}

  --rounds N      rounds of all arms, 5 to 50 (default 7)
  --seconds S     length of one measurement, 1 to 30 (default 3)
  --arms A,B      only these arms (default: all)
  --json FILE     every sample, as JSON
  --cpu-prof DIR  a CPU profile of the gateway process
  --write         write bench/README.md
  --help          this text
`

interface Arm {
  what: string
  server: Child<{ url: string }>
  path: string
  clients: Array<Record<string, string>>
  /** A credential that is no good, and what it is answered. */
  bad: { headers: Record<string, string>, status: number }
  /** Whether the upstream has to be told who it is, by a token of its own. */
  isMinted: boolean
}

interface Servers {
  upstream: Child<{ url: string, body: string }>
  floor: Child<{ url: string }>
  gateway: Child<{ url: string, tokens: string[], cookies: string[] }>
  load: Child<object>
}

function createArms ({ floor, gateway }: Servers): Record<string, Arm> {
  const { tokens, cookies } = gateway.ready
  const anonymous = [{ ...browser, cookie: otherCookies }]
  const withTokens = tokens.map(token => ({ ...browser, cookie: otherCookies, authorization: `Bearer ${token}` }))
  const withCookies = cookies.map(cookie => ({ ...browser, cookie: `${otherCookies}; __Host-portcullis=${cookie}` }))
  const badToken = { ...browser, authorization: `Bearer ${tokens[0]!.slice(0, -4)}AAAA` }
  const badCookie = { ...browser, cookie: `__Host-portcullis=${cookies[0]!.slice(0, -4)}AAAA` }
  return {
    floor: { what: 'node:http and undici dispatch, nothing else', server: floor, path: '/orders/42', clients: anonymous, bad: { headers: badToken, status: 200 }, isMinted: false },
    public: { what: 'gateway, public upstream, no credential', server: gateway, path: '/public/42', clients: anonymous, bad: { headers: badToken, status: 200 }, isMinted: false },
    carried: { what: 'gateway, public upstream, the client\'s token passes through unread', server: gateway, path: '/carried/42', clients: withTokens, bad: { headers: badToken, status: 200 }, isMinted: false },
    token: { what: `gateway, ${users} ES256 access tokens seen before, minted token for the upstream`, server: gateway, path: '/orders/42', clients: withTokens, bad: { headers: badToken, status: 401 }, isMinted: true },
    cookie: { what: `gateway, ${users} session cookies seen before, minted token for the upstream`, server: gateway, path: '/orders/42', clients: withCookies, bad: { headers: badCookie, status: 401 }, isMinted: true }
  }
}

const ratios: Array<[string, string]> = [['public', 'floor'], ['token', 'floor'], ['cookie', 'floor'], ['token', 'public'], ['cookie', 'public'], ['token', 'carried']]

/** Figures of an arm that does something else than its name says would be worthless. */
async function probe (name: string, arm: Arm, body: string): Promise<void> {
  const url = arm.server.ready.url
  for (const headers of [arm.clients[0]!, arm.clients.at(-1)!]) {
    const response = await fetch(url + arm.path, { headers })
    assert.equal(response.status, 200, `${name}: a good request is answered`)
    assert.equal(await response.text(), body, `${name}: with the upstream's body`)
  }
  const refused = await fetch(url + arm.path, { headers: arm.bad.headers })
  await refused.arrayBuffer()
  assert.equal(refused.status, arm.bad.status, `${name}: a bad credential is answered ${arm.bad.status}`)

  const seen = await (await fetch(`${url}${arm.path}/seen`, { headers: arm.clients[0]! })).json() as Record<string, string>
  for (const header of Object.keys(browser)) assert.equal(seen[header], arm.clients[0]![header], `${name}: ${header} is forwarded`)
  assert.equal(seen['cookie'], otherCookies, `${name}: other cookies are forwarded, and no other`)
  const { authorization } = seen
  if (!arm.isMinted) return assert.equal(authorization, arm.clients[0]!['authorization'], `${name}: Authorization is left as it is`)
  assert.notEqual(authorization, arm.clients[0]!['authorization'], `${name}: the client's token stays here`)
  const claims = JSON.parse(Buffer.from(authorization!.split('.')[1]!, 'base64url').toString()) as { aud: string, sub: string }
  assert.equal(`${claims.sub} at ${claims.aud}`, 'user-0 at orders', `${name}: the upstream is told who, by a token of its own`)
}

async function measure (arm: Arm, { load, upstream }: Servers, seconds: number): Promise<Sample> {
  const question: Load = { url: arm.server.ready.url, path: arm.path, clients: arm.clients, connections, seconds, body: upstream.ready.body }
  const [server, beside] = [await arm.server.ask<CpuTime>('cpu'), await upstream.ask<CpuTime>('cpu')]
  const result = await load.ask<LoadResult>('run', question)
  const [serverAfter, besideAfter] = [await arm.server.ask<CpuTime>('cpu'), await upstream.ask<CpuTime>('cpu')]
  assert.equal(result.failures, 0, 'every request is answered 200 with the right body')
  const cpuUs = serverAfter.cpuUs - server.cpuUs
  return {
    requestsPerSecond: result.requests / result.seconds,
    cpuUs: cpuUs / result.requests,
    p50Ms: result.p50Ms,
    p99Ms: result.p99Ms,
    serverShare: cpuUs / (serverAfter.atUs - server.atUs),
    loadShare: result.cpuUs / (result.seconds * 1e6),
    upstreamShare: (besideAfter.cpuUs - beside.cpuUs) / (besideAfter.atUs - beside.atUs)
  }
}

async function startServers (directory: string, profile: string | undefined): Promise<Servers> {
  const cpus = placement()
  const rest = { cpu: cpus?.rest ?? null }
  const measured = { cpu: cpus?.measured ?? null }
  const upstream = await startChild<Servers['upstream']['ready']>('upstream', [], rest)
  const started: Partial<Servers> = { upstream }
  try {
    started.floor = await startChild('floor', [upstream.ready.url], measured)
    started.gateway = await startChild('gateway', [upstream.ready.url, directory, String(users)], { ...measured, nodeArgs: profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`] })
    started.load = await startChild('load', [], rest)
    return started as Servers
  } catch (error) {
    await endServers(started)
    throw error
  }
}

/** The upstream last: what is before it would report its end. */
async function endServers ({ load, gateway, floor, upstream }: Partial<Servers>): Promise<void> {
  for (const child of [load, gateway, floor, upstream]) await child?.end()
}

async function run (arms: Record<string, Arm>, servers: Servers, { rounds, seconds }: { rounds: number, seconds: number }): Promise<Record<string, Sample[]>> {
  const samples: Record<string, Sample[]> = Object.fromEntries(Object.keys(arms).map(name => [name, []]))
  for (const [name, arm] of Object.entries(arms)) await probe(name, arm, servers.upstream.ready.body)
  // Twice, because arms that share a process warm up each other's code: the first would have less of that than the last.
  for (const names of interleave(Object.keys(arms), 2)) {
    process.stderr.write(`warming up ${names.join(', ')}\n`)
    for (const name of names) await measure(arms[name]!, servers, warmUpSeconds)
  }
  for (const [round, names] of interleave(Object.keys(arms), rounds).entries()) {
    for (const name of names) samples[name]!.push(await measure(arms[name]!, servers, seconds))
    process.stderr.write(`round ${round + 1} of ${rounds}: ${Object.keys(arms).map(name => `${name} ${samples[name]!.at(-1)!.cpuUs.toFixed(1)}`).join(', ')} CPU µs/request\n`)
  }
  return samples
}

function numberOf (text: string, name: string, least: number, most: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least || value > most) throw new RangeError(`--${name}: must be a whole number from ${least} to ${most}`)
  return value
}

async function main (): Promise<void> {
  const { values } = parseArgs({
    options: {
      rounds: { type: 'string', default: '7' },
      seconds: { type: 'string', default: '3' },
      arms: { type: 'string' },
      json: { type: 'string' },
      'cpu-prof': { type: 'string' },
      write: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false }
    }
  })
  if (values.help) {
    process.stdout.write(help)
    return
  }
  const options = { rounds: numberOf(values.rounds, 'rounds', 5, 50), seconds: numberOf(values.seconds, 'seconds', 1, 30) }

  const directory = await mkdtemp(join(tmpdir(), 'portcullis-bench-'))
  let servers: Servers | null = null
  try {
    servers = await startServers(directory, values['cpu-prof'])
    const all = createArms(servers)
    const chosen = values.arms?.split(',') ?? Object.keys(all)
    const unknown = chosen.find(name => !(name in all))
    if (unknown !== undefined) throw new RangeError(`--arms: there is no ${unknown}; there are ${Object.keys(all).join(', ')}`)
    if (chosen.length * (options.rounds * options.seconds + 2 * warmUpSeconds) > longestRunSeconds) throw new RangeError(`a run may take ${longestRunSeconds} s: fewer rounds, or shorter ones`)
    const arms = Object.fromEntries(chosen.map(name => [name, all[name]!]))

    const samples = await run(arms, servers, options)
    const report = reportOf(arms, samples, options)
    process.stdout.write(`${formatReport(report)}\n`)
    if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`)
    if (values.write) await writeFile(new URL('README.md', import.meta.url), formatPage(report))
  } finally {
    if (servers !== null) await endServers(servers)
    await rm(directory, { recursive: true, force: true })
  }
}

function reportOf (arms: Record<string, Arm>, samples: Record<string, Sample[]>, { rounds, seconds }: { rounds: number, seconds: number }): Report {
  const cpus = placement()
  const compared = ratios.filter(([over, under]) => over in samples && under in samples)
  return {
    question,
    command: `node bench/gateway.ts --rounds ${rounds} --seconds ${seconds}${Object.keys(arms).length < 5 ? ` --arms ${Object.keys(arms).join(',')}` : ''} --write`,
    machine: describeMachine(['fastify', 'undici', 'autocannon']),
    conditions: `${rounds} interleaved rounds of ${seconds} s for each arm after two warm-ups of ${warmUpSeconds} s; ${connections} connections, one request at a time on each; ${Object.keys(browser).length + 3} request headers; plain HTTP on loopback; SQLite file store. ${cpus === null ? 'Nothing is pinned to a CPU.' : 'What is measured is pinned to one CPU, the load generator and the upstream to another.'}`,
    arms: Object.fromEntries(Object.entries(arms).map(([name, { what }]) => [name, { what, rounds: samples[name]! }])),
    ratios: Object.fromEntries(compared.map(([over, under]) => [`${over}/${under}`, samples[over]!.map((sample, round) => sample.cpuUs / samples[under]![round]!.cpuUs)]))
  }
}

try {
  await main()
} catch (error) {
  process.stderr.write(`${error instanceof RangeError ? error.message : error instanceof Error ? error.stack : String(error)}\n`)
  process.exitCode = 1
}
