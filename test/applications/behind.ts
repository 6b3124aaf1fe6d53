import { spawn, type ChildProcess, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { Test } from 'tap'
import type { ConfigInput } from '../../config/schema.ts'
import { password, post, setCookies } from '../helpers/build-gateway.ts'
import { findClosedPort } from '../helpers/closed-port.ts'
import { patienceMs } from '../helpers/patience.ts'
import { startPortcullis, writeConfig, type GatewayProcess, type Outcome } from '../helpers/portcullis.ts'

type UpstreamInput = NonNullable<ConfigInput['upstreams']>[number]

export interface Behind {
  /** The address of the gateway, which is its origin. */
  origin: string
  /** The address of the application behind the gateway, with a slash at its end. */
  url: string
  /** The session cookie of a user, as a Cookie header. */
  cookie: string
  gateway: GatewayProcess
}

/** Starts a gateway process with one upstream, and signs a user in. The origin has the gateway's own port, as in a local installation. */
export async function startBehind (t: Test, upstream: Omit<UpstreamInput, 'audience'>, more: object = {}): Promise<Behind> {
  const port = await findClosedPort()
  const origin = `http://127.0.0.1:${port}`
  const { config } = await writeConfig(t, { origin, listen: { host: '127.0.0.1', port }, log: { level: 'warn' }, upstreams: [{ audience: 'application', forward: 'headers', ...upstream }], ...more })
  const gateway = await startPortcullis(t, config)
  // On an origin with http the session cookie has another name.
  const cookies = setCookies(await post(`${origin}/auth/login`, { username: 'ada', password }))
  const cookie = Object.entries(cookies).map(([name, value]) => `${name}=${value}`).join('; ')
  return { origin, url: `${origin}${upstream.prefix.replace(/\/?$/, '/')}`, cookie, gateway }
}

/** Creates a folder outside the project, so that no application finds the project's packages or its repository. Removed with the test. */
export async function makeFolder (t: Test): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'portcullis-application-'))
  t.teardown(async () => { await rm(folder, { recursive: true, force: true, maxRetries: 5 }) })
  return folder
}

export interface Server { child: ChildProcess, output: () => string }

/** Starts a server and waits until its port accepts connections. Ends with the test, with the processes that it started. */
export async function startServer (t: Test, port: number, [command, ...args]: [string, ...string[]], options: SpawnOptions = {}): Promise<Server> {
  const child = spawn(command, args, { ...options, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let failure: Error | null = null
  child.on('error', error => { failure = error })
  for (const stream of [child.stdout!, child.stderr!]) stream.setEncoding('utf8').on('data', chunk => { output += String(chunk) })
  const closed = once(child, 'close').catch(() => {})
  t.teardown(async () => {
    if (child.pid === undefined) return
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch { /* It has ended already. */ }
    await closed
  })
  const startedAt = performance.now()
  while (!await accepts(port)) {
    if (failure !== null) throw failure
    if (child.exitCode !== null || performance.now() - startedAt > patienceMs * 3) throw new Error(`${command} does not listen: ${output}`)
    await wait(50)
  }
  return { child, output: () => output }
}

async function accepts (port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return await once(socket, 'connect').then(() => true, () => false).finally(() => { socket.destroy() })
}

/** Runs a program to its end, with an environment that has nothing of the machine's configuration. */
export async function run (folder: string, [command, ...args]: [string, ...string[]], env: Record<string, string> = {}): Promise<Outcome> {
  const child = spawn(command, args, { cwd: folder, env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', chunk => { output.stdout += String(chunk) })
  child.stderr.setEncoding('utf8').on('data', chunk => { output.stderr += String(chunk) })
  const [code] = await once(child, 'close') as [number | null]
  return { code, ...output }
}

/** Runs a program that must succeed, and returns what it printed. */
export async function runWell (t: Test, folder: string, command: [string, ...string[]], env: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await run(folder, command, env)
  t.equal(code, 0, `${command.slice(0, 2).join(' ')}: ${stderr.slice(-2000)}`)
  return stdout
}

/** Installs packages of npm into a folder, with the user's own configuration of npm. They are too large to be dependencies of the project. */
export async function installPackages (folder: string, packages: string[]): Promise<void> {
  await mkdir(folder, { recursive: true })
  const child = spawn('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', '--no-save', '--loglevel=error', ...packages], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', chunk => { errors += String(chunk) })
  const [code] = await once(child, 'close') as [number | null]
  if (code !== 0) throw new Error(`npm install ${packages.join(' ')}: ${errors}`)
}

export interface Nginx { url: string, output: () => string }

/** Starts nginx with the given content of its `server` block. Its files are in `folder`. */
export async function startNginx (t: Test, folder: string, { server, http = '', main = '' }: { server: string, http?: string, main?: string }): Promise<Nginx> {
  const port = await findClosedPort()
  const file = join(folder, 'nginx.conf')
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder}/${name};`).join(' ')
  await writeFile(file, `${main}
daemon off; ${process.getuid?.() === 0 ? 'user root;' : ''} worker_processes 1; pid ${folder}/nginx.pid; error_log stderr warn;
events {}
http {
  access_log off; ${temporary}
  ${http}
  server { listen 127.0.0.1:${port}; client_max_body_size 0; ${server} }
}
`)
  const { output } = await startServer(t, port, ['nginx', '-e', 'stderr', '-c', file, '-p', folder])
  return { url: `http://127.0.0.1:${port}`, output }
}
