import { setImmediate as nextTurn } from 'node:timers/promises'
import type { RequestFacts } from '../../lib/http/request-facts.ts'
import type { Identity } from '../../lib/principal.ts'
import { schemeOf } from '../authenticate/schemes.ts'

/** `revoked`: nothing more of it may pass. `draining`: the server ends, and whatever has no end of its own ends now. */
export type StreamEnd = 'revoked' | 'draining'

/** An exchange with an upstream, of whatever length. */
export interface Stream {
  /** Null where nobody had to be known. */
  readonly identity: Identity | null
  /** What opened it. */
  readonly request?: RequestFacts
  /** On this process's monotonic clock. */
  readonly startedAtMs: number
  /** Where the registry keeps it while it is young: the registry's own note, -1 at first. */
  youngAt: number
  /** Called more than once. */
  end (reason: StreamEnd): void
}

export interface StreamSource {
  isRevoked (identity: Identity): boolean
  /** When the session ends at the latest; null when it is over already. Rejects when nobody can tell. */
  readEnd (identity: Identity, request: RequestFacts | undefined): Promise<number | null>
  /** When the device cookie that opened a stream runs out; null where there was none to show. */
  deviceEnd? (identity: Identity, request: RequestFacts | undefined): number | null
  nowMs (): number
}

/** Shorter exchanges are left alone: they end sooner than they could be found. */
const longMs = 1000

/** Share of the time, at most, that looking for revoked streams takes: one part in this many. */
const rests = 10

/** Sessions that are read in one turn of the event loop. */
const slice = 50

/** The exchanges under way; the long ones among them end with the session that they belong to. */
export class StreamRegistry {
  readonly #source: StreamSource
  /**
   * In no order; each knows its place. No Set: the tables that a Set grows out of refer to the next one, so that as soon as one of them
   * counts as old nothing that came after it is young enough to be collected soon. That made each request a quarter dearer.
   */
  readonly #young: Stream[] = []
  /** With the end of their session in milliseconds, as far as it is known. */
  readonly #open = new Map<Stream, number>()
  #isDraining = false
  #lookAgainAtMs = -Infinity
  #looking: NodeJS.Timeout | null = null
  #reading: Promise<void> = Promise.resolve()

  constructor (source: StreamSource) {
    this.#source = source
  }

  get open (): number { return this.#open.size }

  /** One that will be over in a moment, as nearly all. */
  add (stream: Stream): void {
    stream.youngAt = this.#young.push(stream) - 1
  }

  /** One that is known to stay: a WebSocket, an event stream. */
  keep (stream: Stream): void {
    this.#leaveYoung(stream)
    const { identity } = stream
    this.#open.set(stream, this.#firstEnd(stream))
    if (identity !== null && this.#source.isRevoked(identity)) stream.end('revoked')
    else if (this.#isDraining) stream.end('draining')
    else if (identity !== null && schemeOf(identity).streams.asksStore) void this.read([stream])
  }

  delete (stream: Stream): void {
    if (!this.#leaveYoung(stream)) this.#open.delete(stream)
  }

  /** What has taken long by now is kept; what has outlived its session ends. */
  sweep (): void {
    const before = performance.now() - longMs
    for (const stream of this.#young.filter(({ startedAtMs }) => startedAtMs <= before)) this.keep(stream)
    const nowMs = this.#source.nowMs()
    for (const [stream, endMs] of this.#open) if (nowMs >= endMs) stream.end('revoked')
  }

  /** Ends what is revoked now. Many calls in a row are one. */
  look (): void {
    if (this.#looking !== null) return
    const restMs = this.#lookAgainAtMs - performance.now()
    if (restMs <= 0) this.#look()
    else this.#looking = setTimeout(() => { this.#look() }, restMs)
  }

  /** Asks for the sessions of these streams, or of all, and ends those that are over. */
  async read (streams: Iterable<Stream> = this.#open.keys()): Promise<void> {
    const asked = [...streams]
    this.#reading = this.#reading.then(async () => { await this.#read(asked) })
    await this.#reading
  }

  drain (): void {
    this.#isDraining = true
    for (const stream of this.#open.keys()) stream.end('draining')
  }

  stop (): void {
    if (this.#looking !== null) clearTimeout(this.#looking)
  }

  /** When a stream ends by its credential and its device alone. */
  #firstEnd ({ identity, request }: Stream): number {
    if (identity === null) return Infinity
    return Math.min(schemeOf(identity).streams.endMs(identity), this.#source.deviceEnd?.(identity, request) ?? Infinity)
  }

  /** The last one takes its place. False when it was not there. */
  #leaveYoung (stream: Stream): boolean {
    const { youngAt } = stream
    if (youngAt === -1) return false
    const last = this.#young.pop()!
    if (last !== stream) this.#young[youngAt] = last
    last.youngAt = youngAt
    stream.youngAt = -1
    return true
  }

  #look (): void {
    this.#looking = null
    const startedAtMs = performance.now()
    for (const stream of this.#open.keys()) {
      if (stream.identity !== null && this.#source.isRevoked(stream.identity)) stream.end('revoked')
    }
    const endedAtMs = performance.now()
    this.#lookAgainAtMs = endedAtMs + (rests - 1) * (endedAtMs - startedAtMs)
  }

  async #read (streams: Stream[]): Promise<void> {
    let asked = 0
    for (const stream of streams) {
      if (stream.identity === null || !this.#open.has(stream)) continue
      if (++asked % slice === 0) await nextTurn()
      try {
        const endMs = await this.#source.readEnd(stream.identity, stream.request)
        if (endMs === null) stream.end('revoked')
        else if (this.#open.has(stream)) this.#open.set(stream, endMs)
      } catch {
        // The store is away: what is lost of the log meanwhile makes everything be read again.
      }
    }
  }
}
