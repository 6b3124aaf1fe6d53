import { request as requestHttp, type RequestOptions } from 'node:http'
import { request as requestHttps } from 'node:https'
import type { Target } from './pool.ts'

export interface HealthOptions {
  /** Path that each target is asked for. */
  path: string
  intervalMs: number
  timeoutMs: number
  /** Value of Host; undefined for the authority of the target. */
  host: string | undefined
  /** Called when a target is found down, or up again. */
  onChange: (target: Target) => void
}

/** Number of failed checks in sequence after which a target counts as down. One success suffices to count as up. */
const failuresUntilDown = 2

/** Asks each target at an interval whether it can serve requests. A target is healthy if it answers in time with a status below 400. */
export class HealthChecks {
  readonly #targets: readonly Target[]
  readonly #options: HealthOptions
  readonly #failures = new Map<Target, number>()
  /** Targets whose last check has not ended. */
  readonly #checking = new Set<Target>()
  readonly #stopping = new AbortController()
  #timer: NodeJS.Timeout | null = null

  constructor (targets: readonly Target[], options: HealthOptions) {
    this.#targets = targets
    this.#options = options
  }

  start (): void {
    this.#timer = setInterval(() => { this.#checkAll() }, this.#options.intervalMs).unref()
    this.#checkAll()
  }

  stop (): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
    this.#stopping.abort()
  }

  #checkAll (): void {
    for (const target of this.#targets) if (!this.#checking.has(target)) void this.#check(target)
  }

  async #check (target: Target): Promise<void> {
    this.#checking.add(target)
    const isHealthy = await this.#isHealthy(target)
    this.#checking.delete(target)
    this.#note(target, isHealthy)
  }

  #note (target: Target, isHealthy: boolean): void {
    const failures = isHealthy ? 0 : (this.#failures.get(target) ?? 0) + 1
    this.#failures.set(target, failures)
    const isDown = failures >= failuresUntilDown
    if (target.isDown === isDown || this.#timer === null) return
    target.isDown = isDown
    this.#options.onChange(target)
  }

  async #isHealthy ({ host, port, tls, authority }: Target): Promise<boolean> {
    const { path, timeoutMs } = this.#options
    const options: RequestOptions = { host, port, path, agent: false, headers: { host: this.#options.host ?? authority, 'user-agent': 'portcullis' }, signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), this.#stopping.signal]) }
    return await new Promise(resolve => {
      const asked = tls === null ? requestHttp(options) : requestHttps({ ...options, ...tls.options })
      asked.on('error', () => { resolve(false) })
      asked.on('response', response => {
        resolve(response.statusCode! < 400)
        response.destroy()
      })
      // A change of protocols, which was not requested, is no response.
      asked.on('upgrade', (_response, socket) => { socket.destroy() })
      asked.on('close', () => { resolve(false) })
      asked.end()
    })
  }
}
