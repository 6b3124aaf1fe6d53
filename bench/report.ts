import { spreadOf, type Spread } from './harness.ts'

export interface Column {
  head: string
  digits: number
  /** Whether something other than the process may limit the figure. It is void when the load generator did. CPU time never is. */
  isThroughput?: boolean
}

/** The shares of one CPU: of the measured process, the load generator, and the processes on the generator's CPU (upstream, Redis). */
export interface Shares { process: number, load: number, beside: number }

/** The figures of one arm in one round. */
export interface Sample {
  figures: Record<string, number>
  shares?: Shares
}

export interface Arm {
  what: string
  rounds: Sample[]
  /** The resource that an idle process waits for by its nature, such as the disk. Absent: idle time makes the run void. */
  waitsFor?: string
  /** The reason, found by the bench itself, that makes throughput and latency meaningless. */
  isVoidBecause?: string
  /** The position in a plot with lines. */
  at?: { series: string, x: number }
}

/** One plot for each column: a bar for each arm, or a line for each series of arms along `x`. */
export interface Plot {
  columns: string[]
  /** The meaning of `at.x` of the arms. Its values are drawn at equal distances. */
  x?: string
  /** The gateway's own arms, where the plot has others too. */
  own?: readonly string[]
}

export interface Table {
  title: string
  columns: Record<string, Column>
  /** The form on the page of plots; absent: a table only. */
  plot?: Plot
  arms: Record<string, Arm>
  /** The ratio `a/b` of one column, round by round. */
  ratios?: { column: string, of: Record<string, number[]> }
  notes?: string[]
}

export interface Goal {
  what: string
  unit: string
  digits: number
  least?: number
  most?: number
  /** The median; null when it was not measured, or the run was void. */
  value: number | null
}

/** The results of a bench. */
export interface Findings {
  /** Sentences that state what was measured, and how. */
  conditions: string
  tables: Table[]
  goals: Goal[]
  /** The measurements that were impossible here, and why. */
  notRun: string[]
}

/** The recorded findings with what they depend on. */
export interface Result extends Findings {
  question: string
  command: string
  machine: Record<string, string>
}

/** The share of its CPU from which the load generator may be the bottleneck. */
const generatorLimit = 0.9
/** The share of its CPU from which a process counts as saturated. */
const saturated = 0.85
/** The share of the second CPU from which all its processes together count as the bottleneck. */
const sharedLimit = 0.95

/** Returns why throughput and latency of an arm are meaningless; null when they are valid. */
export function voidReason ({ rounds, waitsFor, isVoidBecause }: Arm): string | null {
  if (isVoidBecause !== undefined) return isVoidBecause
  const shares = medianShares(rounds)
  if (shares === null) return null
  if (shares.load >= generatorLimit) return 'the load generator was the bottleneck'
  if (shares.process >= saturated) return null
  if (shares.load + shares.beside >= sharedLimit) return 'the load generator and what shares its CPU were the bottleneck'
  return waitsFor === undefined ? 'the process was idle at times: something else was using the machine' : null
}

function medianShares (rounds: Sample[]): Shares | null {
  const shares = rounds.flatMap(({ shares }) => shares ?? [])
  if (shares.length === 0) return null
  const median = (key: keyof Shares): number => spreadOf(shares.map(share => share[key])).median
  return { process: median('process'), load: median('load'), beside: median('beside') }
}

/** Returns the median of a column, or null when it is void or was not measured. */
export function figureOf (table: Table, arm: string, column: string): number | null {
  return rangeOf(table, arm, column)?.median ?? null
}

/** Returns the median, the least and the greatest value of a column, or null when it is void or was not measured. */
export function rangeOf ({ arms, columns }: Table, arm: string, column: string): Spread | null {
  const measured = arms[arm]
  if (measured === undefined || (columns[column]?.isThroughput === true && voidReason(measured) !== null)) return null
  const values = measured.rounds.flatMap(({ figures }) => figures[column] ?? [])
  return values.length === 0 ? null : spreadOf(values)
}

/** Returns the ratio `a/b` of one column for each pair, within each round, so that a drift of the machine cancels out. */
export function ratiosOf (samples: Record<string, Sample[]>, column: string, pairs: ReadonlyArray<readonly [string, string]>): { column: string, of: Record<string, number[]> } {
  const compared = pairs.filter(([over, under]) => over in samples && under in samples)
  const ratio = (over: string, under: string): number[] => samples[over]!.map(({ figures }, round) => figures[column]! / samples[under]![round]!.figures[column]!)
  return { column, of: Object.fromEntries(compared.map(([over, under]) => [`${over}/${under}`, ratio(over, under)])) }
}

/** Returns a goal for a ratio, or none when the ratio was not measured. */
export function ratioGoal ({ ratios }: Table, pair: string, goal: Pick<Goal, 'what'> & Partial<Goal>, of = (ratio: number) => ratio): Goal[] {
  const rounds = ratios?.of[pair]
  return rounds === undefined ? [] : [{ unit: '×', digits: 2, ...goal, value: of(spreadOf(rounds).median) }]
}

export function formatFindings ({ tables, goals, notRun }: Findings): string {
  return [
    ...tables.map(formatArms),
    ...goals.length === 0 ? [] : [formatGoals(goals)],
    ...notRun.length === 0 ? [] : [`Not run:\n\n${notRun.map(line => `- ${line}`).join('\n')}`]
  ].join('\n\n')
}

function formatArms (table: Table): string {
  const { head, rows } = armRows(table)
  const compared = ratioRows(table)
  return [
    `**${table.title}**`,
    formatTable(head, rows),
    ...compared.length === 0 ? [] : [formatTable([ratioHead(table), 'ratio'], compared)],
    ...notesOf(table).map(line => `- ${line}`)
  ].join('\n\n').replaceAll(/^(- .*)\n\n(?=- )/gm, '$1\n')
}

export function armRows ({ columns, arms }: Table): { head: string[], rows: string[][] } {
  const hasShares = Object.values(arms).some(({ rounds }) => medianShares(rounds) !== null)
  return {
    head: ['arm', ...Object.values(columns).map(({ head }) => head), ...hasShares ? ['CPU %: process, load, beside'] : [], 'what'],
    rows: Object.entries(arms).map(([name, arm]) => [
      name,
      ...Object.entries(columns).map(([key, column]) => formatCell(arm, key, column)),
      ...hasShares ? [formatShares(medianShares(arm.rounds))] : [],
      arm.what
    ])
  }
}

export function ratioHead ({ columns, ratios }: Table): string {
  return columns[ratios?.column ?? '']?.head ?? ''
}

export function ratioRows ({ ratios }: Table): string[][] {
  return Object.entries(ratios?.of ?? {}).map(([name, values]) => [name, formatSpread(spreadOf(values), 3)])
}

/** Returns the table's own notes, and the reasons for void figures. */
export function notesOf ({ arms, notes = [] }: Table): string[] {
  const reasons = Map.groupBy(Object.entries(arms).filter(([, arm]) => voidReason(arm) !== null), ([, arm]) => voidReason(arm))
  return [...notes, ...Array.from(reasons, ([reason, voided]) => `Void, ${voided.map(([name]) => name).join(', ')}: ${reason}. CPU time is good all the same.`)]
}

function formatCell (arm: Arm, key: string, { digits, isThroughput }: Column): string {
  if (isThroughput === true && voidReason(arm) !== null) return 'void'
  const values = arm.rounds.flatMap(({ figures }) => figures[key] ?? [])
  return values.length === 0 ? '–' : formatSpread(spreadOf(values), digits)
}

function formatGoals (goals: Goal[]): string {
  return formatTable(goalHead, goals.map(goalRow))
}

export const goalHead = ['goal', 'wanted', 'measured', '']

export function goalRow (goal: Goal): string[] {
  const { what, unit, digits, least, most, value } = goal
  const wanted = [...least === undefined ? [] : [`≥ ${least}`], ...most === undefined ? [] : [`≤ ${most}`]].join(', ')
  return [what, `${wanted} ${unit}`, value === null ? 'void' : `${value.toFixed(digits)} ${unit}`, outcomeOf(goal)]
}

function outcomeOf ({ least = -Infinity, most = Infinity, value }: Goal): '' | 'met' | 'missed' {
  if (value === null) return ''
  return value >= least && value <= most ? 'met' : 'missed'
}

/** Formats the page of all results. `results` is null for a bench that was not run. */
export function formatPage (results: Record<string, { question: string, result: Result | null }>): string {
  return `# Measured results

\`npm run bench\` generates this page from \`results/\`; do not edit it. Each figure is the median of the rounds, followed by the least and the
greatest. *Void* marks a figure that something other than the measured process limited.

Do not compare the figures with those of other machines, load generators or headers. Compare the ratios.

${formatTable(['bench', 'question', 'measured'], Object.entries(results).map(([name, { question, result }]) => [`[${name}](#${name})`, question, result?.machine['date'] ?? 'not run']))}

${Object.entries(results).map(([name, { question, result }]) => formatSection(name, question, result)).join('\n\n')}
`
}

function formatSection (name: string, question: string, result: Result | null): string {
  const intro = `## ${name}\n\n${question}`
  if (result === null) return `${intro}\n\nNot run yet: \`npm run bench -- ${name}\`.`
  const machine = Object.entries(result.machine).map(([key, value]) => `- ${key}: ${value}`).join('\n')
  return `${intro}\n\n\`${result.command}\`\n\n${formatFindings(result)}\n\n${result.conditions}\n\n${machine}`
}

export function formatSpread ({ median, least, greatest }: Spread, digits: number): string {
  if (least === greatest) return median.toFixed(digits)
  return `${median.toFixed(digits)} (${least.toFixed(digits)}–${greatest.toFixed(digits)})`
}

function formatShares (shares: Shares | null): string {
  return shares === null ? '–' : [shares.process, shares.load, shares.beside].map(share => Math.round(share * 100)).join(', ')
}

export function formatTable (head: string[], rows: string[][]): string {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map(row => row[column]!.length)))
  const line = (cells: string[]): string => `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  return [line(head), `| ${widths.map(width => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join('\n')
}
