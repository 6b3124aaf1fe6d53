import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { findClosedPort } from '../helpers/closed-port.ts'
import { compileCache } from '../helpers/compile-cache.ts'
import type { Endings } from './endings.ts'

const cli = join(import.meta.dirname, '..', '..', 'cli.ts')
const startWithinMs = 60_000
const keptLines = 20

export interface GatewayOptions {
  /** `A` is one and the same process all the time, so that its memory tells; `B` is killed and replaced. */
  name: string
  config: string
  storeUrl: string
  endings: Endings
  /** Hears of each security event by name. */
  onAudit: (event: string) => void
  /** Hears of each line at level error or above, and of whatever is said on standard error. */
  onComplaint: (line: string) => void
}

/** One real gateway process. */
export class Gateway {
  readonly name: string
  readonly url: string
  readonly admin: string
  readonly pid: number
  readonly startedAtMs = performance.now()
  /** Whether it was told to end, and when: from then on it may refuse connections, and not before. */
  toldToEndAtMs = Infinity
  killedAtMs = Infinity
  /** The last time at which it was stopped, in the manner of SIGSTOP. */
  stoppedAtMs = -Infinity
  /** The last ones. */
  readonly complaints: string[] = []
  readonly #options: GatewayOptions
  readonly #child: ChildProcess
  readonly #ended: Promise<{ code: number | null, signal: string | null }>

  private constructor (options: GatewayOptions, child: ChildProcess, url: string, admin: string) {
    this.#options = options
    this.name = options.name
    this.url = url
    this.admin = admin
    this.pid = child.pid!
    this.#child = child
    this.#ended = once(child, 'exit').then(([code, signal]) => ({ code: code as number | null, signal: signal as string | null }))
    createInterface({ input: child.stdout! }).on('line', line => { this.#read(line) })
    createInterface({ input: child.stderr! }).on('line', line => { this.#complain(line) })
  }

  static async start (options: GatewayOptions): Promise<Gateway> {
    const { name, config, storeUrl, endings } = options
    const [port, adminPort] = [await findClosedPort(), await findClosedPort()]
    const child = spawn(process.execPath, [cli, 'start', '--config', config], {
      env: { PATH: process.env['PATH'] ?? '', ...compileCache, PORT: String(port), ADMIN_PORT: String(adminPort), STORE_URL: storeUrl },
      stdio: ['ignore', 'pipe', 'pipe']
    })
    endings.own(child)
    const gateway = new Gateway(options, child, `http://127.0.0.1:${port}`, `http://127.0.0.1:${adminPort}`)
    const giveUp = setTimeout(() => { child.kill('SIGKILL') }, startWithinMs)
    await new Promise<void>((resolve, reject) => {
      child.stdout!.on('data', chunk => { if (/^portcullis listening on /m.test(String(chunk))) resolve() })
      child.once('exit', () => { reject(new Error(`gateway ${name} ended before it listened: ${gateway.complaints.join('; ')}`)) })
    })
    clearTimeout(giveUp)
    return gateway
  }

  get isRunning (): boolean { return this.#child.exitCode === null && this.#child.signalCode === null }

  /** Whether nobody did anything to it that would excuse an answer that did not come. */
  wasWell (sinceMs: number): boolean {
    return this.killedAtMs === Infinity && this.stoppedAtMs < sinceMs
  }

  async isReady (): Promise<boolean> {
    return await fetch(`${this.admin}/readyz`, { signal: AbortSignal.timeout(2000) }).then(({ status }) => status === 200, () => false)
  }

  async kill (): Promise<void> {
    this.killedAtMs = performance.now()
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** Resolves to how it ended; it is killed when that takes too long. */
  async drain (withinMs: number): Promise<{ code: number | null, signal: string | null }> {
    this.toldToEndAtMs = performance.now()
    this.#child.kill('SIGTERM')
    const giveUp = setTimeout(() => { void this.kill() }, withinMs)
    const ended = await this.#ended
    clearTimeout(giveUp)
    return ended
  }

  stop (): void {
    this.stoppedAtMs = Infinity
    this.#child.kill('SIGSTOP')
  }

  resume (): void {
    this.#child.kill('SIGCONT')
    this.stoppedAtMs = performance.now()
  }

  #read (line: string): void {
    if (!line.startsWith('{')) return
    const { level, audit, event, msg, err } = JSON.parse(line) as { level: number, audit?: boolean, event?: string, msg?: string, err?: { stack?: string } }
    if (audit === true && event !== undefined) this.#options.onAudit(event)
    else if (level >= 50) this.#complain(`${msg} ${err?.stack ?? ''}`)
  }

  #complain (line: string): void {
    this.#options.onComplaint(line)
    this.complaints.push(line)
    if (this.complaints.length > keptLines) this.complaints.shift()
  }
}
