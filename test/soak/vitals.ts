import { readFile, readdir } from 'node:fs/promises'
import type { Gateway } from './gateways.ts'

const pageBytes = 4096
const ticksPerSecond = 100
const mib = 2 ** 20
/** Memory, code and caches are still being filled in the first part of a life. */
const warmUpShare = 0.3
const leastSamples = 10
/** A longer run keeps every second one, again and again. */
const mostSamples = 2000

export interface Summary {
  name: string
  pid: number
  livedS: number
  rssMb: number
  /** By least squares after warming up; null where a life was too short to tell. */
  rssSlopeMbPerHour: number | null
  heapMb: number | null
  lagMs: { p50: number, p99: number, max: number } | null
  fds: { start: number, end: number }
  cpuShare: number
}

interface Sample { atS: number, rssBytes: number }

/** How a gateway process is, over its life. */
export class Vitals {
  readonly gateway: Gateway
  #samples: Sample[] = []
  #every = 1
  #asked = 0
  readonly #fdsAtStart: number
  #last = { fds: 0, cpuS: 0, rssBytes: 0, atS: 0 }
  #heapBytes: number | null = null
  readonly #lags: { p50: number[], p99: number[], max: number } = { p50: [], p99: [], max: 0 }

  private constructor (gateway: Gateway, fds: number) {
    this.gateway = gateway
    this.#fdsAtStart = fds
  }

  static async begin (gateway: Gateway): Promise<Vitals> {
    return new Vitals(gateway, await countFds(gateway.pid) ?? 0)
  }

  async sample (): Promise<void> {
    const { pid, startedAtMs, isRunning } = this.gateway
    if (!isRunning) return
    const [rssBytes, cpuS, fds] = [await readRss(pid), await readCpu(pid), await countFds(pid)]
    if (rssBytes === null || cpuS === null || fds === null) return
    const atS = (performance.now() - startedAtMs) / 1000
    this.#last = { fds, cpuS, rssBytes, atS }
    if (this.#asked++ % this.#every === 0) this.#samples.push({ atS, rssBytes })
    if (this.#samples.length >= mostSamples) {
      this.#samples = this.#samples.filter((_, index) => index % 2 === 0)
      this.#every *= 2
    }
    await this.#sampleMetrics()
  }

  get rssMb (): number { return this.#last.rssBytes / mib }

  summary (): Summary {
    const { gateway: { name, pid } } = this
    const { atS, fds, cpuS } = this.#last
    const { p50, p99, max } = this.#lags
    const late = this.#samples.filter(({ atS: at }) => at > atS * warmUpShare)
    return {
      name,
      pid,
      livedS: Math.round(atS),
      rssMb: round(this.rssMb),
      rssSlopeMbPerHour: late.length < leastSamples ? null : round(slope(late.map(({ atS, rssBytes }) => [atS / 3600, rssBytes / mib]))),
      heapMb: this.#heapBytes === null ? null : round(this.#heapBytes / mib),
      lagMs: p50.length === 0 ? null : { p50: round(middle(p50)), p99: round(middle(p99)), max: round(max) },
      fds: { start: this.#fdsAtStart, end: fds },
      cpuShare: atS === 0 ? 0 : Number((cpuS / atS).toFixed(3))
    }
  }

  /** Each scrape begins a new window of the event loop's delays. What a stopped process tells of that time is left out. */
  async #sampleMetrics (): Promise<void> {
    const { admin, stoppedAtMs } = this.gateway
    const text = await fetch(`${admin}/metrics`, { signal: AbortSignal.timeout(2000) }).then(async response => await response.text(), () => null)
    if (text === null) return
    this.#heapBytes = valueOf(text, 'nodejs_heap_size_used_bytes')
    const [p50, p99, max] = ['p50', 'p99', 'max'].map(name => valueOf(text, `nodejs_eventloop_lag_${name}_seconds`) * 1000) as [number, number, number]
    if (performance.now() - stoppedAtMs < 2 * sampleEveryMs) return
    this.#lags.p50.push(p50)
    this.#lags.p99.push(p99)
    if (this.#lags.p50.length > mostSamples) for (const lags of [this.#lags.p50, this.#lags.p99]) lags.splice(0, mostSamples / 2)
    this.#lags.max = Math.max(this.#lags.max, max)
  }
}

export const sampleEveryMs = 5000

function valueOf (text: string, name: string): number {
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1])
}

async function readRss (pid: number): Promise<number | null> {
  const text = await readFile(`/proc/${pid}/statm`, 'utf8').catch(() => null)
  return text === null ? null : Number(text.split(' ')[1]) * pageBytes
}

async function readCpu (pid: number): Promise<number | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null)
  if (text === null) return null
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

async function countFds (pid: number): Promise<number | null> {
  return await readdir(`/proc/${pid}/fd`).then(fds => fds.length, () => null)
}

/** Least squares. */
export function slope (points: Array<[x: number, y: number]>): number {
  const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length
  const [meanX, meanY] = [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))]
  const spread = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0)
  return points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0) / spread
}

function middle (values: number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}

function round (value: number): number {
  return Math.round(value * 10) / 10
}
