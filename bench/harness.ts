import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, rm, statfs } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Findings } from './report.ts'

export { describeMachine } from './machine.ts'

/** A bench that answers a question. A file `bench/*.ts` exports it as `bench`, by which the runner finds it. */
export interface Bench {
  /** The question in one line, equal to the first line of the file. */
  question: string
  /** The `node` options that the runner's own process needs, such as --expose-gc. */
  nodeArgs?: string[]
  /** The packages whose versions affect the figures, besides those that affect all. */
  packages?: string[]
  measure (context: BenchContext): Promise<Findings>
}

/** The parameters and the tools of a run. Processes that the tools start end with the run. */
export interface BenchContext {
  /** A smoke run: each measurement once and short. Its figures are meaningless. */
  readonly isQuick: boolean
  /** The number of rounds: at least five, except in a smoke run. */
  readonly rounds: number
  /** The length of one measurement. */
  readonly seconds: number
  /** The names of the arms to measure; null for all. */
  readonly arms: readonly string[] | null
  /** An empty directory, on a disk where the machine has one. It is removed after the run. */
  readonly directory: string
  /** Reports progress on the terminal. */
  say (line: string): void
  /** Starts `processes/<name>.ts`, or a file there with another extension, on the CPU of the measured process or on that of the rest. */
  start<Ready>(name: string, options?: { args?: unknown, place?: Place }): Promise<Child<Ready>>
  /** Starts another program, which ends with the bench. */
  run (command: string[], place: Place, options?: { stdout?: boolean, env?: Record<string, string> }): ChildProcess
  /** Registers a function that runs before the processes end that were started earlier. */
  atEnd (end: () => unknown): void
}

/**
 * - `measured`: a separate CPU
 * - `rest`: the CPU of load, upstreams and servers
 * - `anywhere`: any CPU
 */
export type Place = 'measured' | 'rest' | 'anywhere'

/** A separate process for one part of a bench, so that its CPU time can be measured. */
export interface Child<Ready> {
  ready: Ready
  pid: number
  ask<Answer> (name: string, question?: unknown): Promise<Answer>
  /** Ends the process by closing its channel, and kills it when it does not end in time. */
  end (): Promise<void>
}

interface Message { id: number, answer?: unknown, error?: string }

const endWithinMs = 5000

/** Starts a file of `processes/`, on one CPU if the system permits it. Resolves when the process reports that it is ready. */
export async function startChild<Ready> (name: string, args: string[], options: { cpu?: number | null, nodeArgs?: string[] } = {}): Promise<Child<Ready>> {
  const { cpu = null, nodeArgs = [] } = options
  const command = [process.execPath, ...nodeArgs, fileURLToPath(new URL(`processes/${extname(name) === '' ? `${name}.ts` : name}`, import.meta.url)), ...args]
  const [file = '', ...rest] = cpu === null ? command : ['taskset', '-c', String(cpu), ...command]
  const child = spawn(file, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const waiting = new Map<number, { resolve: (answer: unknown) => void, reject: (error: Error) => void }>()
  let asked = 0

  function settle (id: number, settle: 'resolve' | 'reject', value: unknown): void {
    waiting.get(id)?.[settle](value as Error)
    waiting.delete(id)
  }
  async function answerTo (id: number): Promise<unknown> {
    return await new Promise((resolve, reject) => { waiting.set(id, { resolve, reject }) })
  }
  child.on('message', ({ id, answer, error }: Message) => {
    if (error === undefined) settle(id, 'resolve', answer)
    else settle(id, 'reject', new Error(`${name}: ${error}`))
  })
  child.on('error', error => { for (const id of waiting.keys()) settle(id, 'reject', error) })
  child.on('exit', code => { for (const id of waiting.keys()) settle(id, 'reject', new Error(`${name} ended with code ${code}`)) })

  return {
    ready: await answerTo(0) as Ready,
    pid: child.pid ?? 0,
    async ask<Answer> (question: string, value: unknown = null) {
      const id = ++asked
      child.send({ id, name: question, question: value })
      return await answerTo(id) as Answer
    },
    async end () {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      const cutting = setTimeout(() => child.kill('SIGKILL'), endWithinMs)
      child.disconnect()
      await ended
      clearTimeout(cutting)
    }
  }
}

/** Returns the CPU of each part; the measured process has a separate one. Null without `taskset`, or with one CPU. */
export function placement (): { measured: number, rest: number } | null {
  if (cpus().length < 2 || spawnSync('taskset', ['-c', '0', 'true']).status !== 0) return null
  return { measured: 0, rest: 1 }
}

export function sayPlacement (): string {
  return placement() === null ? 'Nothing is pinned to a CPU.' : 'What is measured is pinned to one CPU; load, upstream and Redis to another.'
}

export type ContextOptions = Pick<BenchContext, 'isQuick' | 'rounds' | 'seconds' | 'arms' | 'say'> & { profiles: string | null }

/** Runs a bench with a new context, and ends what it started, the last first. */
export async function withContext<Result> ({ profiles, ...options }: ContextOptions, measure: (context: BenchContext) => Promise<Result>): Promise<Result> {
  const ends: Array<() => Promise<unknown>> = []
  const cpuOf = (place: Place): number | null => place === 'anywhere' ? null : placement()?.[place] ?? null
  const directory = await makeDirectory()
  ends.push(async () => { await rm(directory, { recursive: true, force: true }) })
  const programs: ChildProcess[] = []
  // An interrupt ends this process at once. Children with a channel end by themselves; other programs are killed here.
  const onExit = (): void => {
    for (const program of programs) program.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
  process.once('exit', onExit)
  try {
    return await measure({
      ...options,
      directory,
      async start<Ready> (name: string, { args = {}, place = 'rest' }: { args?: unknown, place?: Place } = {}) {
        const nodeArgs = profiles === null || place !== 'measured' ? [] : ['--cpu-prof', `--cpu-prof-dir=${profiles}`, `--cpu-prof-name=${name.replaceAll('/', '-')}-${ends.length}.cpuprofile`]
        const child = await startChild<Ready>(name, [JSON.stringify(args)], { cpu: cpuOf(place), nodeArgs })
        ends.push(async () => { await child.end() })
        return child
      },
      run (command, place, { stdout = false, env = {} } = {}) {
        const cpu = cpuOf(place)
        const [file = '', ...rest] = cpu === null ? command : ['taskset', '-c', String(cpu), ...command]
        const child = spawn(file, rest, { stdio: ['ignore', stdout ? 'pipe' : 'ignore', 'inherit'], env: { ...process.env, ...env } })
        programs.push(child)
        ends.push(async () => { await endProgram(child) })
        return child
      },
      atEnd (end) { ends.push(async () => { await end() }) }
    })
  } finally {
    for (const end of ends.toReversed()) await end()
    process.off('exit', onExit)
  }
}

/** Makes the directory. Durable data has to reach a disk: where /tmp is memory, the directory is in that of the benches. */
async function makeDirectory (): Promise<string> {
  const tmpfs = 0x01021994
  const isMemory = (await statfs(tmpdir())).type === tmpfs
  return await mkdtemp(isMemory ? fileURLToPath(new URL('.run-', import.meta.url)) : join(tmpdir(), 'portcullis-bench-'))
}

/** Ends a program, and kills it when it does not end in time. */
export async function endProgram (child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  const cutting = setTimeout(() => child.kill('SIGKILL'), endWithinMs)
  await ended
  clearTimeout(cutting)
}

/** The median of several rounds, and the least and the greatest value. */
export interface Spread { median: number, least: number, greatest: number }

export function spreadOf (values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle) - 1]!) / 2
  return { median, least: sorted[0]!, greatest: sorted.at(-1)! }
}

/**
 * Returns the order of the names in each round, alternating between forwards and backwards, so that a drift of the machine affects
 * all equally.
 */
export function interleave (names: readonly string[], rounds: number): string[][] {
  return Array.from({ length: rounds }, (_, round) => round % 2 === 0 ? [...names] : names.toReversed())
}

/** Measures all arms in interleaved rounds; resolves to the samples of each arm. */
export async function measureRounds<Sample> (names: readonly string[], { rounds, say }: Pick<BenchContext, 'rounds' | 'say'>, measure: (name: string, round: number) => Promise<Sample>, sayOf: (sample: Sample) => string): Promise<Record<string, Sample[]>> {
  const samples: Record<string, Sample[]> = Object.fromEntries(names.map(name => [name, []]))
  for (const [round, order] of interleave(names, rounds).entries()) {
    for (const name of order) samples[name]!.push(await measure(name, round))
    say(`round ${round + 1} of ${rounds}: ${names.map(name => `${name} ${sayOf(samples[name]!.at(-1)!)}`).join(', ')}`)
  }
  return samples
}

/** Returns the requested arms. Throws RangeError for an unknown one. */
export function chosenArms (all: readonly string[], arms: readonly string[] | null): string[] {
  const unknown = arms?.find(name => !all.includes(name))
  if (unknown !== undefined) throw new RangeError(`--arms: there is no ${unknown}; there are ${all.join(', ')}`)
  return all.filter(name => arms?.includes(name) ?? true)
}
