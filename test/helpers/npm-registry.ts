import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import type { Outcome } from './portcullis.ts'

const verdaccio = fileURLToPath(import.meta.resolve('verdaccio/bin/verdaccio'))

/** Every client may sign up; publishing requires a sign-in. The registry has no upstream. */
const configWith = (hasPages: boolean): string => `storage: ./storage
auth: { htpasswd: { file: ./htpasswd, max_users: 10 } }
packages: { '**': { access: $all, publish: $authenticated } }
uplinks: {}
max_body_size: 100mb
web: { enable: ${hasPages} }
log: { type: stdout, format: json, level: info }
`

/** The registry's log entry of a request that reached it. The registry masks the values of credentials itself. */
export interface SeenRequest { method: string, url: string, headers: Record<string, string> }

export interface NpmRegistry { requests (): SeenRequest[] }

/**
 * Starts a separate Verdaccio on a loopback port. Clients find its packages at `publicUrl`, and browsers its pages if it has them.
 * Ends with the test.
 */
export async function startNpmRegistry (t: Test, { port, publicUrl, hasPages = false }: { port: number, publicUrl: string, hasPages?: boolean }): Promise<NpmRegistry> {
  const folder = join(t.testdirName, 'registry')
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'config.yaml'), configWith(hasPages))
  const child = spawn(process.execPath, [verdaccio, '--config', join(folder, 'config.yaml'), '--listen', `127.0.0.1:${port}`], {
    cwd: folder, env: { PATH: process.env['PATH'] ?? '', HOME: folder, VERDACCIO_PUBLIC_URL: publicUrl }, stdio: ['ignore', 'pipe', 'ignore']
  })
  let log = ''
  child.stdout.setEncoding('utf8').on('data', chunk => { log += String(chunk) })
  const ended = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  while (!await answers(`http://127.0.0.1:${port}/-/ping`)) {
    if (child.exitCode !== null) throw new Error(`verdaccio ended with code ${child.exitCode}: ${log}`)
    await wait(20)
  }
  return { requests: () => log.split('\n').slice(0, -1).flatMap(line => (JSON.parse(line) as { req?: SeenRequest }).req ?? []) }
}

async function answers (url: string): Promise<boolean> {
  return await fetch(url).then(({ ok }) => ok, () => false)
}

export interface NpmClient {
  userconfig: string
  /** Runs a command of npm in a folder to its end. `answers`: the input for each question. */
  run (folder: string, args: string[], answers?: Array<[question: string, answer: string]>): Promise<Outcome>
}

/** Creates a fresh npm client of this machine, with an empty home, configuration and cache. */
export async function createNpmClient (t: Test, name: string, registry: string): Promise<NpmClient> {
  const home = join(t.testdirName, name)
  const userconfig = join(home, '.npmrc')
  await mkdir(home, { recursive: true })
  await writeFile(userconfig, `registry=${registry}\nauth-type=legacy\ncache=${join(home, 'cache')}\nupdate-notifier=false\naudit=false\nfund=false\nfetch-retries=0\n`)
  return { userconfig, run: async (folder, args, answers = []) => await runNpm(t, { folder, home, args, answers }) }
}

async function runNpm (t: Test, { folder, home, args, answers }: { folder: string, home: string, args: string[], answers: Array<[string, string]> }): Promise<Outcome> {
  // The environment has nothing of the npm that may be running this test, nor of this machine's configuration.
  const child = spawn('npm', args, { cwd: folder, env: { PATH: process.env['PATH'] ?? '', HOME: home, npm_config_globalconfig: join(home, 'globalconfig') }, stdio: 'pipe' })
  const output = { stdout: '', stderr: '' }
  child.stdin.on('error', () => {})
  child.stdout.setEncoding('utf8').on('data', chunk => {
    output.stdout += String(chunk)
    const [next] = answers
    if (next === undefined || !output.stdout.endsWith(next[0])) return
    child.stdin.write(`${next[1]}\n`)
    answers.shift()
  })
  child.stderr.setEncoding('utf8').on('data', chunk => { output.stderr += String(chunk) })
  const ended = once(child, 'close')
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  const [code] = await ended as [number | null]
  return { code, ...output }
}
