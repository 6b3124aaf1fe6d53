import { spawn, type ChildProcess } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'
import type { Test } from 'tap'
import { main } from '../../cli/main.ts'
import { hashPassword } from '../../users/password.ts'
import { generousLimits, password } from './build-gateway.ts'
import { compileCache } from './compile-cache.ts'
import { patienceMs } from './patience.ts'
import { learnConfigured, learnSecret, report } from './secrets.ts'

const cli = join(import.meta.dirname, '..', '..', 'cli.ts')

export interface Outcome { code: number | null, stdout: string, stderr: string }

export interface RunOptions {
  stdin?: string
  env?: Record<string, string>
  /** A program that is started in place of Node, with the same arguments. */
  launcher?: string
}

interface Running { child: ChildProcess, output: { stdout: string, stderr: string }, ended: Promise<Outcome> }

/** Learns the given secrets: passwords come on standard input, secrets in the environment. */
function learnGiven ({ stdin = '', env = {} }: RunOptions): void {
  learnSecret('a password', stdin.trimEnd())
  for (const [name, value] of Object.entries(env)) if (/SECRET|TOKEN/.test(name)) learnSecret('a configured secret', value)
}

function spawnPortcullis (t: Test, args: string[], options: RunOptions): Running {
  const { stdin = '', env = {}, launcher = process.execPath } = options
  learnGiven(options)
  const child = spawn(launcher, [cli, ...args], { env: { PATH: process.env['PATH'] ?? '', ...compileCache, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', chunk => { output.stdout += String(chunk) })
  child.stderr.setEncoding('utf8').on('data', chunk => { output.stderr += String(chunk) })
  child.stdin.on('error', () => {})
  child.stdin.end(stdin)
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...output }))
  t.teardown(async () => {
    child.kill('SIGKILL')
    const { stdout, stderr } = await ended
    report(`what portcullis ${args[0]} printed in "${t.name}"`, `${stdout}\n${stderr}`)
  })
  return { child, output, ended }
}

/** Runs a command of the real command line to its end. Its output is searched for every secret, as in all functions of this file. */
export async function runPortcullis (t: Test, args: string[], options: RunOptions = {}): Promise<Outcome> {
  return await spawnPortcullis(t, args, options).ended
}

/** Runs a command in this process, for tests that need no separate process. */
export async function runMain (args: string[], options: RunOptions = {}): Promise<Outcome> {
  const { stdin = '', env = {} } = options
  learnGiven(options)
  const output = { stdout: '', stderr: '' }
  const collect = (name: 'stdout' | 'stderr') => new Writable({
    write (chunk, _encoding, done) {
      output[name] += String(chunk)
      done()
    }
  })
  const code = await main(args, { env, stdin: Readable.from([stdin]), stdout: collect('stdout'), stderr: collect('stderr'), uid: process.getuid?.(), nodeVersion: process.versions.node, signals: new EventEmitter(), whenTold: async () => await new Promise(() => {}), onIgnored: () => {} })
  report(`what portcullis ${args[0]} printed`, `${output.stdout}\n${output.stderr}`)
  return { code, ...output }
}

export interface GatewayProcess {
  url: string
  pid: number
  /** The output so far. */
  output: { stdout: string, stderr: string }
  /** Sends a signal; resolves when the process has ended. */
  end (signal?: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): Promise<Outcome>
  signal (signal: NodeJS.Signals): void
  ended: Promise<Outcome>
}

/** Starts a gateway process and waits for the line with its address. The process is killed with the test. */
export async function startPortcullis (t: Test, config: string, { args = [], ...options }: RunOptions & { args?: string[] } = {}): Promise<GatewayProcess> {
  const { child, output, ended } = spawnPortcullis(t, ['start', '--config', config, ...args], options)
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout!.on('data', () => {
      const match = /^portcullis listening on (\S+)\n/m.exec(output.stdout)
      if (match !== null) resolve(match[1]!)
    })
    child.once('close', () => { reject(new Error(`ended before it listened: ${output.stderr}`)) })
  })
  return {
    url,
    pid: child.pid!,
    output,
    ended,
    signal: signal => { child.kill(signal) },
    end: async (signal = 'SIGTERM') => {
      child.kill(signal)
      return await ended
    }
  }
}

/** The cost is low, because the tests do not measure how long a guess takes. */
const cost = { ln: 10, r: 8, p: 1 }

/** Writes a users file in which every user has the password `password`, and every scope that the tests request. */
export async function writeUsers (file: string, usernames: string[]): Promise<void> {
  const users = await Promise.all(usernames.map(async username => ({ username, subject: username, password: await hashPassword(password, cost), scopes: ['orders:read'] })))
  await writeFile(file, JSON.stringify({ users }), { mode: 0o600 })
}

export interface ConfigFolder { folder: string, config: string, users: string }

/** Writes a configuration with a free port, and a users file, to a folder; `more` is added to the configuration. */
export async function writeConfig (t: Test, more: object = {}): Promise<ConfigFolder> {
  const folder = t.testdir({})
  const config = join(folder, 'portcullis.json')
  const users = join(folder, 'users.json')
  await writeUsers(users, ['ada', 'bob'])
  const { secret = '', admin } = more as { secret?: string, admin?: { token: string } }
  learnSecret('a password', password)
  learnConfigured({ secrets: [secret], admin: admin ?? null })
  await writeFile(config, JSON.stringify({
    origin: 'https://app.example.com',
    listen: { host: '127.0.0.1', port: 0 },
    store: { type: 'sqlite', path: './portcullis.db', timeout: '30s' },
    identity: { type: 'users', file: './users.json' },
    log: { level: 'trace', access: true },
    rateLimit: generousLimits,
    upstreams: [],
    ...more
  }))
  return { folder, config, users }
}

/** Changes a users file as another program would: it rewrites the whole file. */
export async function editUsers (file: string, edit: (users: Array<{ username: string, password: string, scopes: string[] }>) => unknown): Promise<void> {
  const content = JSON.parse(await readFile(file, 'utf8')) as { users: Array<{ username: string, password: string, scopes: string[] }> }
  edit(content.users)
  await writeFile(file, JSON.stringify(content))
}

/** Repeats the check until it holds; resolves to the elapsed milliseconds, and to the number of failed checks. */
export async function untilTrue (isTrue: () => Promise<boolean>, pauseMs = 0): Promise<{ ms: number, inVain: number }> {
  const startedAt = performance.now()
  for (let inVain = 0; performance.now() - startedAt < patienceMs; inVain++) {
    const askedAt = performance.now()
    if (await isTrue()) return { ms: askedAt - startedAt, inVain }
    if (pauseMs > 0) await wait(pauseMs)
  }
  throw new Error(`not within ${patienceMs} ms`)
}
