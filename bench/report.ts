import { spreadOf, type Spread } from './harness.ts'

/** One arm in one round. */
export interface Sample {
  requestsPerSecond: number
  /** CPU time of the process that is measured, for each request. */
  cpuUs: number
  p50Ms: number
  p99Ms: number
  /** Shares of one CPU: of the process that is measured, the load generator, the upstream. */
  serverShare: number
  loadShare: number
  upstreamShare: number
}

export interface Report {
  question: string
  command: string
  machine: Record<string, string>
  conditions: string
  arms: Record<string, { what: string, rounds: Sample[] }>
  /** `a/b`: CPU time for each request, round by round. */
  ratios: Record<string, number[]>
}

type Figure = 'requestsPerSecond' | 'cpuUs' | 'p50Ms' | 'p99Ms'

/** From this share of its CPU on, a process is as fast as it can be. */
const saturated = 0.85

export function formatReport (report: Report): string {
  const rows = Object.entries(report.arms).map(([name, { what, rounds }]) => {
    const figure = (key: Figure, digits: number): string => formatSpread(spreadOf(rounds.map(round => round[key])), digits)
    return [name, figure('requestsPerSecond', 0), figure('cpuUs', 1), figure('p50Ms', 2), figure('p99Ms', 2), what]
  })
  const ratios = Object.entries(report.ratios).map(([name, values]) => [name, formatSpread(spreadOf(values), 3)])
  return [
    'Medians of the rounds, and the least and greatest.\n',
    formatTable(['arm', 'requests/s', 'CPU µs/request', 'p50 ms', 'p99 ms', 'what'], rows),
    '',
    ...ratios.length === 0 ? [] : [formatTable(['CPU per request', 'ratio'], ratios)],
    ...bottlenecks(report).map(line => `\n${line}`),
    ''
  ].join('\n')
}

/** The page that the run writes; nobody edits it. */
export function formatPage (report: Report): string {
  return `# Measured results

Written by \`${report.command}\`; do not edit.

${report.question}

${formatReport(report)}
${report.conditions}

${Object.entries(report.machine).map(([name, value]) => `- ${name}: ${value}`).join('\n')}

Not comparable with figures of other machines, other load generators or other headers. The ratios are what to compare.
`
}

/** Where an arm was not held up by what it measures: its requests/s and its latencies say little then, its CPU time is still good. */
function bottlenecks ({ arms }: Report): string[] {
  return Object.entries(arms).flatMap(([name, { rounds }]) => {
    const share = (key: 'serverShare' | 'loadShare' | 'upstreamShare'): number => spreadOf(rounds.map(round => round[key])).median
    const [server, load, upstream] = [share('serverShare'), share('loadShare'), share('upstreamShare')]
    if (server >= saturated && load < saturated) return []
    const culprit = load >= saturated ? 'the load generator was the bottleneck' : load + upstream >= saturated ? 'the load generator and the upstream, on one CPU, were the bottleneck' : 'something else was using the machine'
    return [`${name}: ${culprit} (shares of one CPU: process ${percent(server)}, load generator ${percent(load)}, upstream ${percent(upstream)}); its requests/s and latencies are not the gateway's limit.`]
  })
}

function formatSpread ({ median, least, greatest }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${least.toFixed(digits)}–${greatest.toFixed(digits)})`
}

function percent (share: number): string {
  return `${Math.round(share * 100)} %`
}

export function formatTable (head: string[], rows: string[][]): string {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map(row => row[column]!.length)))
  const line = (cells: string[]): string => `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  return [line(head), `| ${widths.map(width => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join('\n')
}
