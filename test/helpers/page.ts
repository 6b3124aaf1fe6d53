import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import type { Test } from 'tap'
import { findClosedPort } from './closed-port.ts'
import { compileCache } from './compile-cache.ts'
import { patienceMs } from './patience.ts'

const project = join(import.meta.dirname, '..', '..')

/** One step of a page's reader. */
export type Step =
  | { kind: 'write', file: string, text: string }
  /** A command; with `isOwnTerminal` it continues to run in a separate terminal. */
  | { kind: 'run', script: string, expected: string, isOwnTerminal: boolean }

/**
 * Returns the steps of a page, in order: files to write (`name`: and a block), commands to run (a block of sh) and their output
 * (the block of text after it). A block after an HTML comment that says so is not run.
 */
export function stepsOf (page: string): Step[] {
  const steps: Step[] = []
  for (const [, before = '', language = '', text = ''] of page.matchAll(/([^\n]*)\n+```(\w+)\n([^]*?)^```$/gm)) {
    const [, file] = /^`([\w.-]+)`:$/.exec(before) ?? []
    const last = steps.at(-1)
    if (file !== undefined) steps.push({ kind: 'write', file, text })
    else if (language === 'sh' && !before.startsWith('<!-- not run')) steps.push({ kind: 'run', script: text, expected: '', isOwnTerminal: before === 'In a separate terminal:' })
    else if (language === 'text' && last?.kind === 'run') last.expected = text
  }
  return steps
}

/** Replaces every port in a page by a free one. */
export async function withFreePorts (page: string, ports: readonly number[]): Promise<string> {
  const free = new Map<string, string>()
  for (const port of ports) free.set(String(port), String(await findClosedPort()))
  return page.replace(new RegExp(`\\b(?:${ports.join('|')})\\b`, 'g'), port => free.get(port)!)
}

/** Creates a folder in which `npx portcullis` and the packages are found, as after an installation. */
export async function installFolder (t: Test, packages: string[]): Promise<string> {
  const folder = t.testdir({ 'package.json': '{ "private": true }', node_modules: { '.bin': {} } })
  const bin = join(folder, 'node_modules', '.bin', 'portcullis')
  await writeFile(bin, `#!/bin/sh\nexec '${process.execPath}' '${join(project, 'cli.ts')}' "$@"\n`)
  await chmod(bin, 0o755)
  for (const name of packages) await symlink(join(project, 'node_modules', name), join(folder, 'node_modules', name))
  await mkdir(join(folder, 'home'))
  return folder
}

/** A reader's terminal: one shell that runs all pasted commands. Ends with the test, with its child processes. */
export class Terminal {
  readonly #shell: ChildProcess
  #printed = ''
  #count = 0

  constructor (t: Test, folder: string) {
    const path = [join(project, 'node_modules', '.bin'), process.env['PATH'] ?? ''].join(delimiter)
    // The shell has a separate process group, so that its child processes can be ended with it.
    this.#shell = spawn('bash', ['--noprofile', '--norc'], { cwd: folder, detached: true, env: { PATH: path, ...compileCache, HOME: join(folder, 'home'), npm_config_update_notifier: 'false' }, stdio: ['pipe', 'pipe', 'ignore'] })
    const ended = once(this.#shell, 'close')
    this.#shell.stdout!.setEncoding('utf8').on('data', chunk => { this.#printed += String(chunk) })
    this.#shell.stdin!.write('exec 2>&1\n')
    t.teardown(async () => {
      process.kill(-this.#shell.pid!, 'SIGTERM')
      await ended
    })
  }

  /** Runs a script to its end; resolves to its output. */
  async run (script: string): Promise<string> {
    const end = `--- end of ${++this.#count} ---\n`
    this.#printed = ''
    this.#shell.stdin!.write(`${script}printf %s ${JSON.stringify(end.trim())}; echo\n`)
    await this.#until(() => this.#printed.endsWith(end))
    return this.#printed.slice(0, -end.length)
  }

  /** Starts a script that continues to run; resolves when all expected lines have been printed, in any order. */
  async start (script: string, expected: string): Promise<void> {
    this.#shell.stdin!.write(script)
    await this.#until(() => expected.trimEnd().split('\n').every(line => this.#printed.includes(line)))
  }

  async #until (isDone: () => boolean): Promise<void> {
    const deadline = AbortSignal.timeout(patienceMs)
    while (!isDone()) {
      await once(this.#shell.stdout!, 'data', { signal: deadline }).catch(() => { throw new Error(`not within ${patienceMs} ms; printed so far: ${this.#printed}`) })
    }
  }
}
