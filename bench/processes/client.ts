import { createHistogram, type RecordableHistogram } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { Pool, type Dispatcher } from 'undici'
import { cpuTime, serveParent } from './child.ts'

/* A load generator for what autocannon cannot do: requests that need a value of the previous response (refresh tokens), and
 * requests at a fixed rate, independent of the response times (an open loop). */

export interface Requests {
  /** The name of the requests. Default: the only ones. */
  name?: string
  url: string
  method: 'GET' | 'POST'
  path: string
  headers: Record<string, string>
  /** The clients, in turn. When the cookie rotates, each client has one request in flight. */
  clients: Array<{ cookie?: string, authorization?: string }>
  /** The share of all requests that use the clients of another name. Not when the cookie rotates. */
  others?: { of: string, share: number }
  /** Whether every answer sets the cookie of the client's next request; an answer without it is a failure. */
  isRotating: boolean
  connections: number
}

export interface Answered {
  requests: number
  seconds: number
  /** The count of each failure: answers other than 200, answers without the required cookie, and requests without an answer. */
  failures: Record<string, number>
  p50Ms: number
  p99Ms: number
  p999Ms: number
  maxMs: number
  cpuUs: number
  /** The 99th percentile of how late requests were sent; it counts as latency. Zero in a closed loop. */
  lateP99Ms: number
}

interface Client { headers: Record<string, string> }

/** The clients of one set of requests, and their connections. */
class Clients {
  readonly requests: Omit<Requests, 'clients'>
  readonly pool: Pool
  /** The clients whose turn is yet to come. */
  #idle: Client[]
  #taken = 0
  /** The number of requests of the other clients that are due. */
  #othersDue = 0

  constructor ({ clients, ...requests }: Requests) {
    this.requests = requests
    this.pool = new Pool(requests.url, { connections: requests.connections, pipelining: 1 })
    this.#idle = clients.map(own => ({ headers: { ...requests.headers, ...own } }))
  }

  /** Takes the next client. An index replaces `shift`, which moves the whole of a long array. */
  take (): Client {
    const { others } = this.requests
    if (others !== undefined && (this.#othersDue += others.share) >= 1) {
      this.#othersDue--
      return clientsOf(others.of).take()
    }
    const client = this.#idle[this.#taken++]
    if (client === undefined) throw new Error('every client waits for an answer: this rate needs more of them')
    if (!this.requests.isRotating) this.#idle.push(client)
    if (this.#taken === 1000) {
      this.#idle.splice(0, this.#taken)
      this.#taken = 0
    }
    return client
  }

  giveBack (client: Client): void {
    if (this.requests.isRotating) this.#idle.push(client)
  }
}

const prepared = new Map<string, Clients>()

function prepare (requests: Requests): void {
  prepared.set(requests.name ?? '', new Clients(requests))
}

function clientsOf (name = ''): Clients {
  const clients = prepared.get(name)
  if (clients === undefined) throw new Error(`nothing is prepared as ${JSON.stringify(name)}`)
  return clients
}

/** One request, measured from the instant at which it was due, so that waiting counts. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #client: Client
  readonly #dueMs: number
  readonly #run: Run
  #failure: string | null = null

  constructor (client: Client, dueMs: number, run: Run) {
    this.#client = client
    this.#dueMs = dueMs
    this.#run = run
  }

  onRequestStart (): void {}

  onResponseStart (_controller: Dispatcher.DispatchController, status: number, { 'set-cookie': set }: Record<string, string | string[] | undefined>): void {
    if (status !== 200) this.#failure = `status ${status}`
    if (!this.#run.clients.requests.isRotating || status !== 200) return
    const [cookie] = [set ?? []].flat()
    if (cookie === undefined) this.#failure = 'no cookie'
    else this.#client.headers['cookie'] = cookie.slice(0, cookie.indexOf(';'))
  }

  onResponseData (): void {}

  onResponseEnd (): void {
    this.#settle()
    this.#run.answered(this.#dueMs, this.#failure)
  }

  onResponseError (_controller: Dispatcher.DispatchController, error: Error): void {
    this.#settle()
    this.#run.answered(this.#dueMs, error.message)
  }

  #settle (): void {
    this.#run.clients.giveBack(this.#client)
  }
}

/** The requests in flight, and the results. */
class Run {
  readonly clients: Clients
  readonly #latencies: RecordableHistogram = createHistogram()
  readonly #late: RecordableHistogram = createHistogram()
  readonly #onAnswer: (run: Run) => void
  readonly #startedAt = cpuTime()
  #requests = 0
  readonly #failures: Record<string, number> = {}
  #underWay = 0
  #done: () => void = () => {}

  constructor (clients: Clients, onAnswer: (run: Run) => void = () => {}) {
    this.clients = clients
    this.#onAnswer = onAnswer
  }

  ask (dueMs: number): void {
    const { requests: { method, path }, pool } = this.clients
    const client = this.clients.take()
    this.#underWay++
    this.#late.record(microseconds(performance.now() - dueMs))
    pool.dispatch({ method, path, headers: client.headers, body: null }, new Exchange(client, dueMs, this))
  }

  answered (dueMs: number, failure: string | null): void {
    this.#requests++
    this.#underWay--
    if (failure !== null) this.#failures[failure] = (this.#failures[failure] ?? 0) + 1
    this.#latencies.record(microseconds(performance.now() - dueMs))
    this.#onAnswer(this)
    if (this.#underWay === 0) this.#done()
  }

  /** Resolves when no request is in flight. */
  async end (isPaced: boolean): Promise<Answered> {
    await new Promise<void>(resolve => {
      this.#done = resolve
      if (this.#underWay === 0) resolve()
    })
    const { cpuUs, atUs } = cpuTime()
    const ms = (percentile: number): number => this.#latencies.percentile(percentile) / 1000
    return {
      requests: this.#requests,
      seconds: (atUs - this.#startedAt.atUs) / 1e6,
      failures: this.#failures,
      p50Ms: ms(50),
      p99Ms: ms(99),
      p999Ms: ms(99.9),
      maxMs: this.#latencies.max / 1000,
      cpuUs: cpuUs - this.#startedAt.cpuUs,
      lateP99Ms: isPaced ? this.#late.percentile(99) / 1000 : 0
    }
  }
}

function microseconds (ms: number): number {
  return Math.max(1, Math.round(ms * 1000))
}

/** Runs a closed loop: each connection sends the next request when the answer has arrived. */
async function closed ({ name, seconds }: { name?: string, seconds: number }): Promise<Answered> {
  const endMs = performance.now() + seconds * 1000
  const run = new Run(clientsOf(name), run => {
    const nowMs = performance.now()
    if (nowMs < endMs) run.ask(nowMs)
  })
  for (let connection = 0; connection < run.clients.requests.connections; connection++) run.ask(performance.now())
  return await run.end(false)
}

/**
 * Runs an open loop: requests are due at equal intervals, independent of the response times, and their latency counts from then on.
 * A server that stalls for a second is therefore charged with all requests of that second, as users would charge it.
 */
async function paced ({ name, rate, seconds }: { name?: string, rate: number, seconds: number }): Promise<Answered> {
  const run = new Run(clientsOf(name))
  const startMs = performance.now()
  const total = Math.round(rate * seconds)
  for (let made = 0; made < total;) {
    for (const nowMs = performance.now(); made < total && startMs + made * 1000 / rate <= nowMs; made++) run.ask(startMs + made * 1000 / rate)
    await wait(1)
  }
  return await run.end(true)
}

serveParent({}, { prepare, closed, paced })
