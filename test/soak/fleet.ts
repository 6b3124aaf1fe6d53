import { setTimeout as wait } from 'node:timers/promises'
import { drainMs } from './configuration.ts'
import { Gateway, type GatewayOptions } from './gateways.ts'
import type { Judge } from './judge.ts'
import { Vitals, type Summary } from './vitals.ts'

const names = ['A', 'B'] as const
const readyWithinMs = 60_000
/** Well within `shutdown.delay`. */
const noticedAfterMs = 500

/** Of honest clients, and of a store that loses nothing that it has acknowledged, none of these is ever said. */
const falseAlarms = ['refresh.reused', 'refresh.recovered']
const keptSummaries = 20
const keptComplaints = 50

/** The two gateways of now, and what is known of those that there were. */
export class Fleet {
  /** Of those that have ended, the last ones. */
  readonly past: Summary[] = []
  /** Audit events of all of them, by name. */
  readonly events: Record<string, number> = {}
  /** How often what was complained of: the first line of it. */
  readonly complaints: Record<string, number> = {}
  readonly #options: Omit<GatewayOptions, 'name' | 'storeUrl'>
  readonly #storeUrls: [string, string]
  readonly #judge: Judge
  readonly #vitals = new Set<Vitals>()
  readonly #running: Array<Gateway | null> = [null, null]
  /** Told to end, and nobody has noticed yet. */
  #leaving: Gateway | null = null

  constructor (options: Pick<GatewayOptions, 'config' | 'endings'>, storeUrls: [string, string], judge: Judge) {
    this.#options = { ...options, onAudit: event => { this.#hear(event) }, onComplaint: line => { this.#note(line) } }
    this.#storeUrls = storeUrls
    this.#judge = judge
  }

  /** Those that a load balancer would send somebody to. */
  get serving (): Gateway[] {
    return [...this.#running, this.#leaving].filter(gateway => gateway !== null)
  }

  at (place: 0 | 1): Gateway {
    return this.#running[place]!
  }

  /** In the place of the one that is there, which goes on until somebody ends it. */
  async start (place: 0 | 1): Promise<void> {
    const gateway = await Gateway.start({ ...this.#options, name: names[place], storeUrl: this.#storeUrls[place] })
    for (const startedAtMs = performance.now(); !await gateway.isReady(); await wait(50)) {
      if (performance.now() - startedAtMs > readyWithinMs) {
        this.#judge.report(`gateway ${gateway.name} (pid ${gateway.pid}) was not ready ${readyWithinMs} ms after its start`)
        break
      }
    }
    this.#running[place] = gateway
    this.#vitals.add(await Vitals.begin(gateway))
  }

  remove (place: 0 | 1): Gateway {
    const gateway = this.at(place)
    this.#running[place] = null
    return gateway
  }

  /** Whoever has ended and was not meant to is a violation. */
  look (): void {
    for (const gateway of this.#running) {
      if (gateway?.isRunning === false) this.#judge.report(`gateway ${gateway.name} (pid ${gateway.pid}) ended by itself: ${gateway.complaints.slice(-3).join('; ')}`)
    }
  }

  async sample (): Promise<void> {
    for (const vitals of this.#vitals) {
      if (vitals.gateway.isRunning) await vitals.sample()
      else {
        this.#vitals.delete(vitals)
        this.past.push(vitals.summary())
        if (this.past.length > keptSummaries) this.past.shift()
      }
    }
  }

  /** Of those that are running, in the order in which they were started. */
  get summaries (): Summary[] {
    return Array.from(this.#vitals, vitals => vitals.summary())
  }

  /** Ends one in whose place there is another, as a load balancer lives through it: it goes on sending clients there until it looks again. */
  async replace (old: Gateway): Promise<void> {
    this.#leaving = old
    const noticing = setTimeout(() => { this.#leaving = null }, noticedAfterMs)
    await this.drain(old)
    clearTimeout(noticing)
    this.#leaving = null
  }

  /** All that are left, as they should. */
  async end (): Promise<void> {
    await Promise.all(this.serving.map(async gateway => { await this.drain(gateway) }))
  }

  /** It has to end by itself, and with 0. */
  async drain (gateway: Gateway): Promise<void> {
    const { code, signal } = await gateway.drain(drainMs + 5000)
    if (code !== 0) this.#judge.report(`gateway ${gateway.name} (pid ${gateway.pid}) that was told to end ended with ${signal ?? `code ${code}`}: ${gateway.complaints.at(-1) ?? 'it said nothing'}`)
  }

  #hear (event: string): void {
    this.events[event] = (this.events[event] ?? 0) + 1
    if (falseAlarms.includes(event)) this.#judge.report(`a gateway has said ${event}`)
  }

  #note (line: string): void {
    const said = line.split('\n')[0]!.slice(0, 200)
    if (said in this.complaints || Object.keys(this.complaints).length < keptComplaints) this.complaints[said] = (this.complaints[said] ?? 0) + 1
  }
}
