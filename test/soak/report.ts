import type { Fleet } from './fleet.ts'
import type { Judge } from './judge.ts'
import type { Injected, Nemesis } from './nemesis.ts'
import type { Settings } from './settings.ts'
import type { StreamWatch } from './streams.ts'
import type { Column, Tally } from './tally.ts'
import type { Summary } from './vitals.ts'

export interface Result {
  seed: string
  store: string
  /** How long the load was to last, and did. */
  seconds: number
  lastedSeconds: number
  operations: Record<string, Record<Column, number>>
  streamsClosedAfterEnd: number
  faults: Record<string, number>
  lastFaults: Injected[]
  auditEvents: Record<string, number>
  complaints: Record<string, number>
  processes: Summary[]
  harness: { rssMb: number }
  violations: string[]
  violated: number
}

export interface Run { settings: Settings, lastedSeconds: number, tally: Tally, judge: Judge, nemesis: Nemesis, fleet: Fleet, watch: StreamWatch, summaries: Summary[] }

export function resultOf ({ settings: { seed, store, seconds }, lastedSeconds, tally, judge, nemesis, fleet, watch, summaries }: Run): Result {
  return {
    seed,
    store,
    seconds,
    lastedSeconds: Math.round(lastedSeconds),
    operations: Object.fromEntries(tally.rows),
    streamsClosedAfterEnd: watch.closed,
    faults: nemesis.counts,
    lastFaults: nemesis.last,
    auditEvents: fleet.events,
    complaints: fleet.complaints,
    processes: [...summaries, ...fleet.past],
    harness: { rssMb: Math.round(process.memoryUsage.rss() / 2 ** 20) },
    violations: judge.violations,
    violated: judge.violated
  }
}

export function tell (result: Result): string {
  const { seed, store, seconds, lastedSeconds, operations, faults, lastFaults, auditEvents, complaints, processes, harness, violations, violated, streamsClosedAfterEnd } = result
  const sections = [
    `${store}, ${lastedSeconds} s, seed ${seed}`,
    table(['operation', 'ok', 'refused', 'come again', 'no answer', 'other'], Object.entries(operations).map(([what, row]) => [what, row.ok, row.refused, row['come again'], row['no answer'], row.other])),
    `streams closed by a gateway after the end of their session: ${streamsClosedAfterEnd}`,
    table(['fault', 'times'], Object.entries(faults)),
    table(['audit event', 'times'], Object.entries(auditEvents)),
    table(['complaint in a log', 'times'], Object.entries(complaints)),
    table(['process', 'lived s', 'RSS MB', 'MB/h', 'heap MB', 'loop p50 ms', 'p99', 'max', 'fds at start', 'at end', 'CPU'], processes.map(rowOf)),
    `harness: ${harness.rssMb} MB`,
    ...violated === 0 ? ['no violation'] : [`${violated} violations, the first:\n${violations.slice(0, 20).map(violation => `  ${violation}\n`).join('')}`, `the last faults (began after, lasted, ms):\n${lastFaults.map(({ kind, atMs, forMs }) => `  ${atMs} ${kind} ${forMs}\n`).join('')}`, `again: npm run soak -- --store ${store} --seed ${seed} --seconds ${seconds}`]
  ]
  return `${sections.filter(section => section !== '').join('\n\n')}\n`
}

/** Of the event loop's delays the middle one of all windows; its timer of 10 ms is in them. */
function rowOf ({ name, pid, livedS, rssMb, rssSlopeMbPerHour, heapMb, lagMs, fds, cpuShare }: Summary): Array<string | number> {
  return [`${name} ${pid}`, livedS, rssMb, rssSlopeMbPerHour ?? '-', heapMb ?? '-', lagMs?.p50 ?? '-', lagMs?.p99 ?? '-', lagMs?.max ?? '-', fds.start, fds.end, cpuShare]
}

function table (heads: string[], rows: Array<Array<string | number>>): string {
  if (rows.length === 0) return ''
  const lines = [heads, ...rows].map(row => row.map(String))
  const widths = heads.map((_, column) => Math.max(...lines.map(line => line[column]!.length)))
  return lines.map(line => line.map((cell, column) => column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!)).join('  ')).join('\n')
}
