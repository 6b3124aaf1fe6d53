import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpus, release, totalmem, type as systemName } from 'node:os'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A process of its own for one part of a bench, so that its CPU time is its own. */
export interface Child<Ready> {
  ready: Ready
  ask<Answer> (name: string, question?: unknown): Promise<Answer>
  /** By its pid; at once when it does not end by itself. */
  end (): Promise<void>
}

interface Message { id: number, answer?: unknown, error?: string }

const endWithinMs = 5000

/** Starts `processes/<name>.ts`, on one CPU if the system lets us. Resolves when it says that it is ready. */
export async function startChild<Ready> (name: string, args: string[], options: { cpu?: number | null, nodeArgs?: string[] } = {}): Promise<Child<Ready>> {
  const { cpu = null, nodeArgs = [] } = options
  const command = [process.execPath, ...nodeArgs, fileURLToPath(new URL(`processes/${name}.ts`, import.meta.url)), ...args]
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

/** Which CPU each part runs on: what is measured has one to itself. Null without `taskset`, or with one CPU. */
export function placement (): { measured: number, rest: number } | null {
  if (cpus().length < 2 || spawnSync('taskset', ['-c', '0', 'true']).status !== 0) return null
  return { measured: 0, rest: 1 }
}

/** Of several rounds: the middle one, and the least and greatest. */
export interface Spread { median: number, least: number, greatest: number }

export function spreadOf (values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  const median = (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle) - 1]!) / 2
  return { median, least: sorted[0]!, greatest: sorted.at(-1)! }
}

/** Each name once a round, in one order and then in the other, so that a drift of the machine meets all of them alike. */
export function interleave (names: readonly string[], rounds: number): string[][] {
  return Array.from({ length: rounds }, (_, round) => round % 2 === 0 ? [...names] : names.toReversed())
}

/** What figures depend on besides the code. */
export function describeMachine (packages: readonly string[]): Record<string, string> {
  const versions = packages.map(name => {
    const { version } = JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')) as { version: string }
    return `${name} ${version}`
  })
  return {
    date: new Date().toISOString().slice(0, 10),
    cpu: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    system: `${systemName()} ${release()}`,
    node: `${process.version}, V8 ${process.versions.v8}, OpenSSL ${process.versions.openssl}`,
    packages: versions.join(', ')
  }
}
