// What would a thousand gateways and ten million sessions cost? Measured figures, multiplied and simulated; docs/guides/scaling.md quotes the output.

import { readFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { Replica } from '../lib/revocation/replica.ts'
import { simulate, type Costs } from './fan-out-simulation.ts'
import { formatTable, type Result } from './report.ts'
import { spreadOf } from './harness.ts'

const help = `node bench/scaling.ts [--help]

Prints the tables of docs/guides/scaling.md, from bench/results/ and a simulation. \`npm run docs\` writes them into the page.
`

/** The behaviour of a signed-in user. */
const everyday = { secondsBetweenRequests: 10, refreshEverySeconds: 435, hoursUntilSignOut: 8 }
/** The time that a revocation is in force: by default the longest life of a token and the tolerance. */
const inForceSeconds = 905
/** The number of logs of a Cluster; each has a share of the subjects. */
const logs = 16
/** The interval at which a process asks each log, by default. */
const heartbeatMs = 500
/** The network delay within one machine, and between machines of one network: assumed, not measured. */
const wayUs = { machine: 50, network: 250 }
const million = 1_000_000

/** The measured medians that all other figures derive from. */
export interface Measured {
  /** The CPU time of a gateway in µs. */
  tokenUs: number
  cookieUs: number
  refreshUs: number
  /** The CPU time of Redis in µs. */
  redisRefreshUs: number
  redisEndUs: number
  redisReadUs: number
  redisTellUs: number
  /** The bytes of a session at Redis. */
  sessionBytes: number
  tokensBytes: number
  revocationBytes: number
}

type Figure = (bench: string, table: number, arm: string, column: string) => number

/** Reads the results of these benches; a figure is the median of its rounds. */
export async function openResults (names: string[]): Promise<Figure> {
  const results = new Map<string, Result>()
  for (const name of names) results.set(name, JSON.parse(await readFile(new URL(`results/${name}.json`, import.meta.url), 'utf8')) as Result)
  return (bench, table, arm, column) => spreadOf(results.get(bench)!.tables[table]!.arms[arm]!.rounds.map(({ figures }) => figures[column]!)).median
}

export async function readMeasured (): Promise<Measured> {
  const figure = await openResults(['gateway', 'refresh', 'fan-out'])
  const redisUsPerSecond = (arm: string): number => figure('fan-out', 0, arm, 'redisPercent') * 10_000
  const redisEndUs = figure('fan-out', 0, 'none at 100/s', 'revocationUs')
  const redisReadUs = redisUsPerSecond('32 quiet') / figure('fan-out', 0, '32 quiet', 'scripts')
  // Some of a hundred revocations a second arrive together, but hardly any of ten.
  const newsUs = (redisUsPerSecond('32 at 10/s') - redisUsPerSecond('32 quiet') - 10 * redisEndUs) / (10 * 32)
  return {
    tokenUs: figure('gateway', 0, 'token', 'cpuUs'),
    cookieUs: figure('gateway', 0, 'cookie', 'cpuUs'),
    refreshUs: figure('refresh', 0, 'redis', 'cpuUs'),
    redisRefreshUs: figure('refresh', 0, 'redis', 'redisUs'),
    redisEndUs,
    redisReadUs: Math.min(redisReadUs, newsUs),
    redisTellUs: Math.max(0, newsUs - redisReadUs),
    sessionBytes: figure('fan-out', 1, 'session', 'bytes'),
    tokensBytes: figure('fan-out', 1, 'tokens', 'bytes'),
    revocationBytes: figure('fan-out', 1, 'revocation', 'bytes')
  }
}

/** Returns the tables, by the name that they have in docs/guides/scaling.md. */
export function scalingTables (measured: Measured): Record<string, string> {
  return { costs: costs(measured), sessions: sessions(measured), fleets: fleets(measured) }
}

function costs (measured: Measured): string {
  const { tokenUs, cookieUs, refreshUs, redisRefreshUs, redisEndUs, redisReadUs, redisTellUs } = measured
  const row = (what: string, gatewayUs: number | null, redisUs: number | null): string[] => [what, ...[gatewayUs, redisUs].flatMap(us => us === null ? ['–', '–'] : [us.toFixed(0), count(million / us)])]
  return formatTable(['', 'µs of a gateway', 'a second and core', 'µs of Redis', 'a second'], [
    row('a request by access token', tokenUs, null),
    row('a request by session cookie', cookieUs, null),
    row('a refresh', refreshUs, redisRefreshUs),
    row('to end a session', null, redisEndUs),
    row('to tell one gateway of it', null, redisTellUs + redisReadUs),
    row('a gateway that asks whether it has missed anything', null, redisReadUs)
  ])
}

function sessions (measured: Measured): string {
  const { secondsBetweenRequests, refreshEverySeconds, hoursUntilSignOut } = everyday
  const rows = [10_000, 100_000, million, 10 * million].map(live => {
    const [requests, refreshes, ends] = [live / secondsBetweenRequests, live / refreshEverySeconds, live / hoursUntilSignOut / 3600]
    const redis = (refreshes * measured.redisRefreshUs + ends * measured.redisEndUs) / million
    const inForce = ends * inForceSeconds
    return [
      count(live),
      count(requests),
      count(refreshes),
      ends.toFixed(ends < 10 ? 1 : 0),
      ((requests * measured.tokenUs + refreshes * measured.refreshUs) / million).toFixed(1),
      `${(redis * 100).toFixed(redis < 0.1 ? 1 : 0)} %`,
      bytes(live * measured.tokensBytes + inForce * measured.revocationBytes),
      bytes(replicaBytes(Math.round(inForce)))
    ]
  })
  return formatTable(['live sessions', 'requests/s', 'refreshes/s', 'sign-outs/s', 'cores for gateways', 'of one Redis', 'memory at Redis', 'revocations in each gateway'], rows)
}

interface FleetRow { what: string, gateways: number, masters: number, live: number, way: keyof typeof wayUs }

const fleetRows: FleetRow[] = [
  { what: 'one machine, two processes', gateways: 2, masters: 1, live: 10_000, way: 'machine' },
  { what: 'one machine, 16 processes', gateways: 16, masters: 1, live: 100_000, way: 'machine' },
  { what: 'ten machines of 8 processes', gateways: 80, masters: 1, live: million, way: 'network' },
  { what: 'the same, a Cluster of 4', gateways: 80, masters: 4, live: million, way: 'network' },
  { what: '1000 processes, one Redis', gateways: 1000, masters: 1, live: million, way: 'network' },
  { what: '1000 processes, a Cluster of 4', gateways: 1000, masters: 4, live: million, way: 'network' },
  { what: '1000 processes, a Cluster of 16', gateways: 1000, masters: 16, live: 10 * million, way: 'network' }
]

function fleets (measured: Measured): string {
  const rows = fleetRows.map(({ what, gateways, masters, live, way }) => {
    const costs: Costs = { revocationUs: measured.redisEndUs, tellUs: measured.redisTellUs, readUs: measured.redisReadUs, wayUs: wayUs[way] }
    const ends = live / everyday.hoursUntilSignOut / 3600
    const otherLoad = live / everyday.refreshEverySeconds * measured.redisRefreshUs / million / masters
    const logsOfOne = masters === 1 ? 1 : logs / masters
    const { busy, p50Ms, p99Ms } = simulate({ gateways, revocations: ends / masters, otherLoad: Math.min(otherLoad, 0.95), heartbeatMs: heartbeatMs / logsOfOne }, costs, { seconds: 20, seed: 1 })
    return [what, count(live), ends.toFixed(ends < 10 ? 1 : 0), `${(busy * 100).toFixed(0)} %`, p50Ms.toFixed(1), p99Ms.toFixed(1)]
  })
  return formatTable(['', 'live sessions', 'sign-outs/s', 'each Redis is busy', 'p50 ms until all refuse', 'p99 ms'], rows)
}

function replicaBytes (revocations: number): number {
  const replica = new Replica()
  const sid = Buffer.alloc(16)
  for (let number = 0; number < revocations; number++) {
    sid.writeUInt32LE(Math.imul(number, 0x9e3779b1) >>> 0, 0)
    sid.writeUInt32LE(number, 12)
    replica.add({ kind: 'sid', sid: sid.toString('base64url'), expiresAtMs: 1_700_000_000_000 })
  }
  return replica.byteLength
}

function count (number: number): string {
  return Math.round(Number(number.toPrecision(3))).toLocaleString('en')
}

function bytes (number: number): string {
  return number < 1e9 ? `${(number / 1e6).toFixed(number < 1e7 ? 1 : 0)} MB` : `${(number / 1e9).toFixed(1)} GB`
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { values } = parseArgs({ options: { help: { type: 'boolean', short: 'h', default: false } } })
  process.stdout.write(values.help ? help : `${Object.values(scalingTables(await readMeasured())).join('\n\n')}\n`)
}
