// Runs benches by name, one after the other, and writes down what they find.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { gate } from './gate.ts'
import { describeMachine, withContext, type Bench } from './harness.ts'
import { formatHtml } from './html.ts'
import { wholeNumber } from './options.ts'
import { formatFindings, formatPage, type Result } from './report.ts'

const here = new URL('./', import.meta.url)
const packages = ['fastify', '@fastify/jwt', 'undici', 'ioredis', 'autocannon']
const results = new URL('results/', here)

const usage = `npm run bench [-- NAME… [options]]

Runs the benches named, all of them without a name. Results go to bench/results/ and from there into bench/README.md and, with plots, bench/report.html.
npm run bench -- gate compares what matters with bench/baseline.json, and fails when it became worse; gate --help says more.

  --quick         a smoke run: everything once and short; nothing is written into the results
  --rounds N      rounds of all arms, 5 to 50 (default 7)
  --seconds S     length of one measurement, 1 to 30 (default 3)
  --arms A,B      only these arms of the bench that is named; not written into the results
  --cpu-prof DIR  CPU profiles of what is measured; not written into the results
  --page          run nothing, write bench/README.md and bench/report.html anew
  --help          this text

Those marked * are programs of their own, and print what they find: node bench/NAME.ts --help. Name them to run them.
`

/** The arguments of each program for a smoke run. */
const programs: Record<string, string[]> = {
  hostile: ['--rounds', '5', '--requests', '20'],
  'pipelined-flood': ['--rounds', '5', '--seconds', '1'],
  replica: ['--rounds', '5', '--most', '1000000']
}

interface Options {
  names: string[]
  isQuick: boolean
  rounds: number
  seconds: number
  arms: string[] | null
  profiles: string | null
  isPageOnly: boolean
}

/** Finds every `bench/*.ts` that exports a bench. Other files are not loaded, because they may be programs. */
async function findBenches (): Promise<Record<string, Bench>> {
  const benches: Record<string, Bench> = {}
  for (const file of (await readdir(here)).filter(name => name.endsWith('.ts')).toSorted()) {
    if (!/^export const bench\b/m.test(await readFile(new URL(file, here), 'utf8'))) continue
    const { bench } = await import(new URL(file, here).href) as { bench: Bench }
    benches[file.slice(0, -3)] = bench
  }
  return benches
}

function parseOptions (argv: string[], benches: Record<string, Bench>): Options | null {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      arms: { type: 'string' },
      'cpu-prof': { type: 'string' },
      page: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false }
    }
  })
  if (values.help) return null
  const known = [...Object.keys(benches), ...Object.keys(programs)]
  const unknown = positionals.find(name => !known.includes(name))
  if (unknown !== undefined) throw new RangeError(`there is no bench ${unknown}; there are ${known.join(', ')}`)
  if (values.arms !== undefined && positionals.length !== 1) throw new RangeError('--arms: name the one bench whose arms they are')
  if (values.quick && (values.rounds ?? values.seconds) !== undefined) throw new RangeError('--quick has its own rounds and seconds')
  const { rounds = '7', seconds = '3' } = values
  return {
    names: positionals.length === 0 ? Object.keys(benches) : positionals,
    isQuick: values.quick,
    ...values.quick ? { rounds: 1, seconds: 1 } : { rounds: wholeNumber(rounds, 'rounds', 5, 50), seconds: wholeNumber(seconds, 'seconds', 1, 30) },
    arms: values.arms?.split(',') ?? null,
    profiles: values['cpu-prof'] ?? null,
    isPageOnly: values.page
  }
}

async function runBench (name: string, bench: Bench, { isQuick, rounds, seconds, arms, profiles }: Options): Promise<void> {
  const say = (line: string): void => { process.stderr.write(`${name}: ${line}\n`) }
  process.stderr.write(`\n${name}: ${bench.question}\n`)
  const findings = await withContext({ isQuick, rounds, seconds, arms, profiles, say }, context => bench.measure(context))
  process.stdout.write(`\n${bench.question}\n\n${formatFindings(findings)}\n\n${findings.conditions}\n`)
  if (isQuick || arms !== null || profiles !== null) return say('nothing is written into the results: this was no run of the whole')
  const command = `npm run bench -- ${name} --rounds ${rounds} --seconds ${seconds}`
  const result: Result = { question: bench.question, command, machine: describeMachine([...packages, ...bench.packages ?? []]), ...findings }
  await mkdir(results, { recursive: true })
  await writeFile(new URL(`${name}.json`, results), `${JSON.stringify(result, shorten, 1)}\n`)
}

async function runProgram (name: string, { isQuick }: Options): Promise<void> {
  const child = spawn(process.execPath, [fileURLToPath(new URL(`${name}.ts`, here)), ...isQuick ? programs[name] ?? [] : []], { stdio: 'inherit' })
  const [code] = await once(child, 'exit') as [number | null]
  if (code !== 0) throw new RangeError(`it ended with ${code ?? 'a signal'}`)
}

/** Returns the first line of a bench's file. */
async function questionOf (name: string): Promise<string> {
  const [line = ''] = (await readFile(new URL(`${name}.ts`, here), 'utf8')).split('\n')
  return line.replace(/^\/\/ /, '')
}

/** Shortens a number to six digits, which exceeds the precision of any figure. */
function shorten (_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(6)) : value
}

async function writePages (benches: Record<string, Bench>): Promise<void> {
  const sections = await Promise.all(Object.entries(benches).map(async ([name, { question }]) => [name, { question, result: await readResult(name) }] as const))
  const results = Object.fromEntries(sections)
  await writeFile(new URL('README.md', here), formatPage(results))
  await writeFile(new URL('report.html', here), formatHtml(results))
}

async function readResult (name: string): Promise<Result | null> {
  try {
    return JSON.parse(await readFile(new URL(`${name}.json`, results), 'utf8')) as Result
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw error
  }
}

/** Runs the benches. A failing bench does not keep the others from running. */
async function main (argv: string[]): Promise<number> {
  if (argv[0] === 'gate') return await gate(argv.slice(1))
  const benches = await findBenches()
  const options = parseOptions(argv, benches)
  if (options === null) {
    const questions = [...Object.entries(benches).map(([name, { question }]) => [name, question]), ...await Promise.all(Object.keys(programs).map(async name => [`${name}*`, await questionOf(name)]))]
    process.stdout.write(`${usage}\n${questions.map(([name = '', question]) => `  ${name.padEnd(16)}  ${question}\n`).join('')}`)
    return 0
  }
  let exitCode = 0
  for (const name of options.isPageOnly ? [] : options.names) {
    try {
      const bench = benches[name]
      await (bench === undefined ? runProgram(name, options) : runBench(name, bench, options))
    } catch (error) {
      process.stderr.write(`${name}: ${error instanceof RangeError ? error.message : (error as Error).stack}\n`)
      exitCode = 1
    }
  }
  if (!options.isQuick) await writePages(benches)
  return exitCode
}

// The exit handler ends the child processes; without this an interrupt would skip it. The listener stays, because a second signal,
// which timeout(1) sends, would otherwise end this process before the cleanup.
process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))

try {
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`)
  process.exitCode = 2
}
