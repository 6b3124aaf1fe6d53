// Does a gateway that runs stand up to anything that can be sent to it?

import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startChild, type Child } from '../../bench/harness.ts'
import { runPhase, type PhaseResult, type Target, type Violation } from './campaign.ts'
import type { Measurement } from './gateway-process.ts'
import { origin, People, settings } from './people.ts'
import { phases } from './phases.ts'
import { Upstreams } from './upstreams.ts'

const help = `npm run fuzz -- [options]

Sends mutated requests to a gateway in a process of its own: access tokens, cookies, paths, headers, bodies, methods, and where
requests end. Nothing may be answered 5xx, nothing may reach a protected upstream without a genuine credential, no identity may be
made up, memory and event loop stay as they are, and nobody may be signed out. Exit 1 when something of that is not so.

  --runs N        inputs in all, 1000 to 10000000 (default 120000)
  --seed S        of the inputs; the same one sends the same (default: random)
  --phases A,B    only these: ${phases.map(({ name }) => name).join(', ')}
  --help          this text
`

/** How late the gateway may make a timer in one of a hundred cases. What the system does to it is shown beside that, and not judged. */
const maxDelayMs = 20
/** What a phase may leave behind after a full collection: remembered refusals and budgets are bounded, and far below. */
const maxGrowthBytes = 16 * 1_048_576
/** Where the heap is looked at in each phase. */
const looks = 4

interface Row extends PhaseResult { seconds: number, delay: Omit<Measurement, 'heapBytes'>, heap: number[], lost: string | null }

type Gateway = Child<{ url: string }>

async function startGateway (upstreams: Upstreams, directory: string): Promise<Gateway> {
  const config = { origin, listen: { host: '127.0.0.1', port: 0 }, store: { type: 'sqlite', path: join(directory, 'fuzz.db') }, log: { level: 'error' }, ...settings, upstreams: upstreams.config }
  return await startChild('../../test/fuzz/gateway-process', [JSON.stringify(config)], { nodeArgs: ['--expose-gc'] })
}

function numberOf (text: string, name: string, least: number, most: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least || value > most) throw new RangeError(`--${name}: must be a whole number from ${least} to ${most}`)
  return value
}

function progress (text: string): void {
  process.stderr.write(process.stderr.isTTY ? `\r\u001b[K${text}` : `${text}\n`)
}

async function runAndMeasure (phase: typeof phases[number], gateway: Gateway, target: Target, options: { seed: number, inputs: number }): Promise<Row> {
  const heap = [(await gateway.ask<Measurement>('measure')).heapBytes]
  const delays: Measurement[] = []
  const startedAt = performance.now()
  const result = await runPhase(phase, target, {
    ...options,
    async onProgress (done) {
      if (done < options.inputs * heap.length / looks) return
      const measured = await gateway.ask<Measurement>('measure').catch(() => null)
      if (measured === null) return
      delays.push(measured)
      heap.push(measured.heapBytes)
      progress(`${phase.name}: ${done} of ${options.inputs}`)
    }
  })
  const seconds = (performance.now() - startedAt) / 1000
  const lost = await target.people.check().catch((error: Error) => `the gateway has ended, or does not answer: ${error.message}`)
  const worst = (name: keyof Measurement): number => Math.max(...delays.map(measured => measured[name]), 0)
  return { ...result, seconds, heap, lost, delay: { p99Ms: worst('p99Ms'), maxMs: worst('maxMs'), ownP99Ms: worst('ownP99Ms'), ownMaxMs: worst('ownMaxMs') } }
}

/** Growth of the heap for a thousand inputs, by the line that fits best from the first quarter on: what caches take at first is no leak. */
function slopeOf ({ heap, inputs }: Row): number {
  const points = heap.slice(1).map((bytes, index) => ({ x: (index + 1) * inputs / looks / 1000, y: bytes / 1024 }))
  if (points.length < 2) return 0
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const [meanX, meanY] = [mean(points.map(({ x }) => x)), mean(points.map(({ y }) => y))]
  return mean(points.map(({ x, y }) => (x - meanX) * (y - meanY))) / mean(points.map(({ x }) => (x - meanX) ** 2))
}

function failuresOf (row: Row): string[] {
  const grown = (row.heap.at(-1) ?? 0) - (row.heap[0] ?? 0)
  return [
    ...row.violations.map(violation => describe(violation)),
    ...row.lost === null ? [] : [`${row.name}: ${row.lost}`],
    ...row.delay.ownP99Ms < maxDelayMs ? [] : [`${row.name}: the gateway made timers ${row.delay.ownP99Ms.toFixed(1)} ms late in one of a hundred cases; at most ${maxDelayMs} ms`],
    ...grown <= maxGrowthBytes ? [] : [`${row.name}: the heap has grown by ${mebibytes(grown)} MiB; at most ${mebibytes(maxGrowthBytes)} MiB`]
  ]
}

function describe ({ phase, reason, input, isShrunk }: Violation): string {
  const text = JSON.stringify(input)
  return `${phase}: ${reason}\n  ${isShrunk ? 'the smallest input' : 'the input'}: ${text.length > 4000 ? `${text.slice(0, 4000)}… (${text.length} characters)` : text}`
}

function mebibytes (bytes: number): string {
  return (bytes / 1_048_576).toFixed(1)
}

function formatTable (rows: Row[]): string {
  const cells = rows.map(row => [
    row.name, String(row.inputs), row.seconds.toFixed(0), row.delay.ownP99Ms.toFixed(1), row.delay.ownMaxMs.toFixed(0), row.delay.p99Ms.toFixed(1), row.delay.maxMs.toFixed(0), `${mebibytes(row.heap[0] ?? 0)} → ${mebibytes(row.heap.at(-1) ?? 0)}`, slopeOf(row).toFixed(1),
    Object.entries(row.statuses).toSorted(([, a], [, b]) => b - a).slice(0, 12).map(([status, count]) => `${status}: ${count}`).join(', ')
  ])
  const all = [['phase', 'inputs', 's', 'delay p99', 'max ms', 'seen p99', 'max ms', 'heap MiB', 'KiB/1000', 'answers'], ...cells]
  const widths = all[0]!.map((_, column) => column === 9 ? 0 : Math.max(...all.map(row => row[column]!.length)))
  return all.map(row => row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')).join('\n')
}

async function main (): Promise<void> {
  const { values } = parseArgs({ options: { runs: { type: 'string', default: '120000' }, seed: { type: 'string' }, phases: { type: 'string' }, help: { type: 'boolean', default: false } } })
  if (values.help) {
    process.stdout.write(help)
    return
  }
  const runs = numberOf(values.runs, 'runs', 1000, 10_000_000)
  const seed = values.seed === undefined ? randomInt(1, 2 ** 30) : numberOf(values.seed, 'seed', 0, 2 ** 30)
  const names = values.phases?.split(',') ?? phases.map(({ name }) => name)
  const unknown = names.find(name => !phases.some(phase => phase.name === name))
  if (unknown !== undefined) throw new RangeError(`--phases: there is no ${unknown}; there are ${phases.map(({ name }) => name).join(', ')}`)
  const chosen = phases.filter(({ name }) => names.includes(name))

  const directory = await mkdtemp(join(tmpdir(), 'portcullis-fuzz-'))
  const upstreams = await Upstreams.start()
  let gateway: Gateway | null = null
  try {
    gateway = await startGateway(upstreams, directory)
    const { url } = gateway.ready
    const target: Target = { port: Number(new URL(url).port), people: await People.signIn(url), upstreams }
    progress(`seed ${seed}`)
    // One after the other by themselves first: what a process needs once is no growth.
    const share = chosen.reduce((sum, phase) => sum + phase.share, 0)
    for (const phase of chosen) await runPhase(phase, target, { seed: seed + 500_000, inputs: 300 })
    const rows: Row[] = []
    for (const phase of chosen) {
      rows.push(await runAndMeasure(phase, gateway, target, { seed, inputs: Math.ceil(runs * phase.share / share) }))
      // Nothing more can be learnt of a gateway that is gone.
      if (rows.at(-1)?.lost?.startsWith('the gateway') === true) break
    }
    const failures = rows.flatMap(failuresOf)
    progress('')
    process.stdout.write(`${formatTable(rows)}\n\n${rows.reduce((sum, row) => sum + row.inputs, 0)} inputs, seed ${seed}\n${failures.map(failure => `\n${failure}\n`).join('')}`)
    if (failures.length > 0) process.exitCode = 1
  } finally {
    await gateway?.end()
    await upstreams.end()
    await rm(directory, { recursive: true, force: true })
  }
}

try {
  await main()
} catch (error) {
  process.stderr.write(`${error instanceof RangeError ? error.message : error instanceof Error ? error.stack : String(error)}\n`)
  process.exitCode = 1
}
