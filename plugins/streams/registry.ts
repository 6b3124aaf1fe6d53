import { performance } from 'node:perf_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { RequestFacts } from '../../lib/http/request-facts.ts'
import type { Identity } from '../../lib/identity.ts'
import { schemeOf } from '../authenticate/schemes.ts'

/** `revoked`: no more data may pass. `draining`: the server ends, so streams that do not end by themselves are ended. */
export type StreamEnd = 'revoked' | 'draining'

/** An exchange with an upstream, of any duration. */
export interface Stream {
  /** Caller of the exchange; null if none was required. */
  readonly identity: Identity | null
  /** Request that opened the stream. */
  readonly request?: RequestFacts
  /** Start of the exchange, on this process's monotonic clock. */
  readonly startedAtMs: number
  /** Index among the young exchanges, which the registry maintains; -1 at first. */
  youngAt: number
  /** Returns whether a transfer has moved since the last call. WebSockets and event streams are no transfers. */
  moves? (): boolean
  /** Ends the stream. It may be called more than once. */
  end (reason: StreamEnd): void
}

export interface StreamSource {
  isRevoked (identity: Identity): boolean
  /** Returns the latest end of the session; null if it is already over. Rejects if the end cannot be determined. */
  readEnd (identity: Identity, request: RequestFacts | undefined): Promise<number | null>
  /** Notes that the session of a caller is in use. */
  noteUse? (identity: Identity): void
  /** Returns the expiry of the device cookie that opened a stream; null if there was none. */
  deviceEnd? (identity: Identity, request: RequestFacts | undefined): number | null
  nowMs (): number
}

/** Shorter exchanges are not tracked, because they end before they could be found. */
const longMs = 1000

/** Divisor of the time: the search for revoked streams takes at most one part in this many. */
const rests = 10

/** Number of sessions that are read in one turn of the event loop. */
const slice = 50

/** The exchanges in progress. Long ones end with the session to which they belong. */
export class StreamRegistry {
  readonly #source: StreamSource
  /**
   * Young exchanges, in no order; each stores its index. A Set is not used: the tables that a Set outgrows refer to the next one, so that
   * once one of them counts as old, later entries cannot be collected soon. That made each request a quarter more expensive.
   */
  readonly #young: Stream[] = []
  /** Long exchanges, with the end of their session in milliseconds, as far as it is known. */
  readonly #open = new Map<Stream, number>()
  #isDraining = false
  #lookAgainAtMs = -Infinity
  #looking: NodeJS.Timeout | null = null
  #reading: Promise<void> = Promise.resolve()

  constructor (source: StreamSource) {
    this.#source = source
  }

  get open (): number { return this.#open.size }

  /** Adds an exchange, which nearly always ends soon. */
  add (stream: Stream): void {
    stream.youngAt = this.#young.push(stream) - 1
  }

  /** Keeps an exchange that is known to be long: a WebSocket or an event stream. */
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

  /** Keeps exchanges that have become long, and ends those that have outlived their session. */
  sweep (): void {
    const before = performance.now() - longMs
    for (const stream of this.#young.filter(({ startedAtMs }) => startedAtMs <= before)) this.keep(stream)
    const nowMs = this.#source.nowMs()
    for (const [stream, endMs] of this.#open) if (nowMs >= endMs) stream.end('revoked')
  }

  /** Ends revoked streams. Many calls in a row cause one search. */
  look (): void {
    if (this.#looking !== null) return
    const restMs = this.#lookAgainAtMs - performance.now()
    if (restMs <= 0) this.#look()
    else this.#looking = setTimeout(() => { this.#look() }, restMs)
  }

  /** Reads the sessions of these streams, or of all, and ends streams whose session is over. */
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

  /** Returns the end of a stream by its credential and its device alone. */
  #firstEnd ({ identity, request }: Stream): number {
    if (identity === null) return Infinity
    return Math.min(schemeOf(identity).streams.endMs(identity), this.#source.deviceEnd?.(identity, request) ?? Infinity)
  }

  /** Removes a young exchange; the last one takes its index. Returns false if it was not there. */
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
        if (stream.moves?.() === true) this.#source.noteUse?.(stream.identity)
        const endMs = await this.#source.readEnd(stream.identity, stream.request)
        if (endMs === null) stream.end('revoked')
        else if (this.#open.has(stream)) this.#open.set(stream, endMs)
      } catch {
        // The store is unavailable. If entries of the log are lost meanwhile, all sessions are read again.
      }
    }
  }
}
