import { readFile, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { pick, startGatewayHops, startUpstream } from './gateway-hops.ts'
import { describeMachine, spreadOf, withContext, type BenchContext, type Spread } from './harness.ts'
import { measureHopRounds, prepareHops } from './hop.ts'
import { wholeNumber } from './options.ts'
import { formatTable, ratiosOf, type Sample } from './report.ts'

const file = new URL('baseline.json', import.meta.url)
const seconds = 2
const tolerance = 0.1

const arms = ['floor', 'public', 'token', 'cookie', 'refused', 'revoked']
const pairs = [['public', 'floor'], ['token', 'floor'], ['cookie', 'floor'], ['token', 'public'], ['refused', 'floor'], ['revoked', 'floor']] as const

const usage = `npm run bench -- gate [options]

Measures what a request through the gateway costs, as ratios of CPU time to a control in the same rounds, and compares them with those of
bench/baseline.json. Takes less than three minutes. Ends with 1 when a ratio is more than ${tolerance * 100} % worse; what looks worse is measured
once more before that is said. Ratios of another machine or another Node are comparable only roughly: renew the baseline there.

  --rounds N   rounds of all arms, 5 to 50 (default 5)
  --write      renew the baseline instead of comparing with it
  --help       this text
`

/** The baseline has ratios only, because times depend on the machine. */
export interface Baseline { node: string, cpu: string, ratios: Record<string, number> }

export interface Verdict {
  ratio: string
  /** The value of the baseline; null when it has none. */
  was: number | null
  /** The measured value; null when it was not measured. */
  is: Spread | null
  /** Whether the ratio has grown beyond the tolerance. A ratio that only one of the two has is a fault too, because it is not guarded. */
  isWorse: boolean
}

export function judge (baseline: Record<string, number>, measured: Record<string, Spread>): Verdict[] {
  const names = new Set([...Object.keys(baseline), ...Object.keys(measured)])
  return Array.from(names, ratio => {
    const [was, is] = [baseline[ratio] ?? null, measured[ratio] ?? null]
    return { ratio, was, is, isWorse: was === null || is === null || is.median > was * (1 + tolerance) }
  })
}

export function formatVerdicts (verdicts: Verdict[]): string {
  const rows = verdicts.map(({ ratio, was, is, isWorse }) => [
    ratio,
    was === null ? '–' : was.toFixed(3),
    is === null ? '–' : `${is.median.toFixed(3)} (${is.least.toFixed(3)}–${is.greatest.toFixed(3)})`,
    was === null || is === null ? '–' : formatChange(was, is.median),
    isWorse ? 'worse' : ''
  ])
  return [formatTable(['CPU ratio', 'was', 'is', 'change', ''], rows), ...verdicts.filter(({ isWorse }) => isWorse).map(formatFault)].join('\n\n')
}

function formatFault ({ ratio, was, is }: Verdict): string {
  if (was === null) return `${ratio} is not in bench/baseline.json: renew it with --write`
  if (is === null) return `${ratio} is in bench/baseline.json and is not measured any more: renew it with --write`
  return `${ratio} was ${was.toFixed(3)} and is ${is.median.toFixed(3)}: ${formatChange(was, is.median)}, and ${tolerance * 100} % is allowed. If that is meant, renew the baseline with --write`
}

function formatChange (was: number, is: number): string {
  const percent = (is / was - 1) * 100
  return `${percent < 0 ? '−' : '+'}${Math.abs(percent).toFixed(1)} %`
}

/** Runs the command; resolves to the exit code. */
export async function gate (argv: string[]): Promise<number> {
  const { values } = parseArgs({ args: argv, options: { rounds: { type: 'string', default: '5' }, write: { type: 'boolean', default: false }, help: { type: 'boolean', short: 'h', default: false } } })
  if (values.help) {
    process.stdout.write(usage)
    return 0
  }
  const rounds = wholeNumber(values.rounds, 'rounds', 5, 50)
  const baseline = values.write ? null : await readBaseline()
  const say = (line: string): void => { process.stderr.write(`gate: ${line}\n`) }
  const measured = await withContext({ isQuick: false, rounds, seconds, arms: null, profiles: null, say }, async context => await measure(baseline, context))
  const { node, cpu } = here()
  if (baseline === null) {
    const ratios = Object.fromEntries(Object.entries(measured).map(([ratio, { median }]) => [ratio, Number(median.toFixed(3))]))
    await writeFile(file, `${JSON.stringify({ node, cpu, ratios } satisfies Baseline, null, 2)}\n`)
    say('bench/baseline.json is written')
    return 0
  }
  const verdicts = judge(baseline.ratios, measured)
  process.stdout.write(`\n${formatVerdicts(verdicts)}\n`)
  if (baseline.node !== node || baseline.cpu !== cpu) process.stdout.write(`\nThe baseline is of ${baseline.node} on ${baseline.cpu}; this is ${node} on ${cpu}.\n`)
  return verdicts.some(({ isWorse }) => isWorse) ? 1 : 0
}

async function readBaseline (): Promise<Baseline> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Baseline
  } catch (cause) {
    throw new Error('bench/baseline.json cannot be read: make it with --write', { cause })
  }
}

function here (): { node: string, cpu: string } {
  return { node: process.version, cpu: describeMachine([])['cpu'] ?? 'unknown' }
}

/**
 * Measures the ratios. Those that look worse are measured again and judged by all rounds, because other work on the machine rarely
 * recurs at the same moment.
 */
async function measure (baseline: Baseline | null, context: BenchContext): Promise<Record<string, Spread>> {
  const { upstream, surroundings } = await startUpstream(context)
  const hops = pick(await startGatewayHops(upstream, context), arms)
  await prepareHops(hops, surroundings, context)
  const samples = await measureHopRounds(hops, surroundings, context)
  if (baseline === null || !judge(baseline.ratios, spreads(samples)).some(({ isWorse }) => isWorse)) return spreads(samples)
  context.say('something looks worse: once more')
  const again = await measureHopRounds(hops, surroundings, context)
  return spreads(Object.fromEntries(arms.map(name => [name, [...samples[name]!, ...again[name]!]])))
}

function spreads (samples: Record<string, Sample[]>): Record<string, Spread> {
  return Object.fromEntries(Object.entries(ratiosOf(samples, 'cpuUs', pairs).of).map(([name, rounds]) => [name, spreadOf(rounds)]))
}
