import { isIP } from 'node:net'
import { createSecureContext, type ConnectionOptions } from 'node:tls'
import { serviceAt } from '../../lib/proxy/service-address.ts'
import { Connection, type ConnectionTarget, type UpstreamRequest } from './connection.ts'
import type { Address } from './upstream-socket.ts'

export interface PoolOptions {
  /** Scheme, host and port of each target. */
  targets: readonly string[]
  /** Maximum number of connections to each target. */
  connections: number
  /** Maximum number of requests that wait for a connection. */
  mostWaiting: number
  /** Maximum time without progress. */
  timeoutMs: number
  /** Maximum length of the head of a response, in bytes. */
  responseHeadBytes: number
  tls?: ConnectionOptions
}

const connectTimeoutMs = 10_000

/** Time after which an unused connection is closed, unless the upstream states another. Servers close them after 5 seconds or later. */
const idleMs = 4000

/** An upstream closes its side when the time that it states is over. The gateway closes before, because a request could meet that close. */
const idleMarginMs = 1000
const longestIdleMs = 600_000
/** Time for which an unused connection is certainly kept. Upstreams state seconds. */
const shortIdleMs = 500

/** Time for which a target that refuses connections is left out, if there are others. */
const refusingMs = 5000

const longestLookMs = 500
const looksInTime = 12

/** One address of an upstream, with its connections. */
export class Target implements ConnectionTarget {
  readonly host: string
  readonly port: number
  readonly tls: Address['tls']
  readonly authority: string
  readonly responseHeadBytes: number
  readonly all = new Set<Connection>()
  /** Unused connections. The last one was used most recently. */
  readonly idle: Connection[] = []
  refusedAtMs = -Infinity
  /** True if health checks have failed. */
  isDown = false
  readonly #pool: Pool

  constructor (pool: Pool, target: string, { responseHeadBytes, tls = {} }: PoolOptions) {
    const { host, port } = serviceAt(target)
    const url = new URL(target)
    this.#pool = pool
    this.host = host
    this.port = port
    this.authority = url.host
    this.responseHeadBytes = responseHeadBytes
    this.tls = url.protocol === 'http:' ? null : { options: tlsOptions(host, tls), session: null }
  }

  get busy (): number { return this.all.size - this.idle.length }

  /** Gives an unused or a new connection to a request. */
  serve (request: UpstreamRequest): void {
    if (request.isUpgrade && this.idle.length > 0) this.#drop(this.idle[0]!)
    const connection = request.isUpgrade ? null : this.#takeIdle()
    if (connection === null) this.all.add(new Connection(this, request))
    else connection.take(request)
  }

  /**
   * Returns the unused connection that was used most recently. After a pause of this process the upstream may have closed it, and that may
   * not have been read yet.
   */
  #takeIdle (): Connection | null {
    for (let connection = this.idle.pop(); connection !== undefined; connection = this.idle.pop()) {
      const idleForMs = performance.now() - connection.idleSinceMs
      if (idleForMs < shortIdleMs || idleForMs < idleTimeOf(connection.keepAlive)) return connection
      this.all.delete(connection)
      connection.destroy()
    }
    return null
  }

  dropIdle (): void {
    for (const connection of [...this.idle]) this.#drop(connection)
  }

  release (connection: Connection): void {
    connection.idleSinceMs = performance.now()
    this.idle.push(connection)
    this.#pool.serveNext()
  }

  forget (connection: Connection): void {
    if (!this.all.delete(connection)) return
    const at = this.idle.indexOf(connection)
    if (at !== -1) this.idle.splice(at, 1)
    this.#pool.serveNext()
  }

  #drop (connection: Connection): void {
    this.all.delete(connection)
    this.idle.splice(this.idle.indexOf(connection), 1)
    connection.destroy()
  }
}

/**
 * The connections to the targets of an upstream. Requests for which there is no connection wait in a queue of limited length, in which
 * requests of disconnected clients are not kept.
 */
export class Pool {
  readonly targets: readonly Target[]
  readonly #options: PoolOptions
  readonly #waiting = new Set<UpstreamRequest>()
  readonly #lookMs: number
  #looking: NodeJS.Timeout | null = null
  #isDestroyed = false

  constructor (options: PoolOptions) {
    this.#options = options
    this.#lookMs = Math.max(10, Math.min(longestLookMs, options.timeoutMs / looksInTime))
    this.targets = options.targets.map(target => new Target(this, target, options))
  }

  /**
   * Gives a connection to the request, or lets it wait for one. Returns `full` if too many requests wait, and `down` if there is no target
   * for it: each is down or among those that it has tried, or the pool is destroyed.
   */
  request (request: UpstreamRequest, tried: readonly ConnectionTarget[] = []): 'served' | 'waiting' | 'full' | 'down' {
    const candidates = this.#isDestroyed ? [] : this.#candidates(tried)
    if (candidates.length === 0) return 'down'
    const target = this.#choose(candidates)
    if (target !== null) {
      this.#serve(target, request)
      return 'served'
    }
    if (this.#waiting.size >= this.#options.mostWaiting) return 'full'
    this.#waiting.add(request)
    return 'waiting'
  }

  /** Removes a request from the queue. */
  leave (request: UpstreamRequest): void {
    this.#waiting.delete(request)
  }

  /** Gives the connection that has become available to the request that has waited longest. */
  serveNext (): void {
    const [next] = this.#waiting
    if (next === undefined || this.#isDestroyed) return
    const target = this.#choose(this.#candidates())
    if (target === null) return
    this.#waiting.delete(next)
    this.#serve(target, next)
  }

  /** Serves the waiting requests, as far as there is room, after a target is up again, or ends them if every target is down. */
  reconsider (): void {
    if (this.#candidates().length === 0) for (const request of [...this.#waiting]) request.onTargetsDown()
    for (let before = -1; this.#waiting.size > 0 && this.#waiting.size !== before;) {
      before = this.#waiting.size
      this.serveNext()
    }
  }

  destroy (): void {
    this.#isDestroyed = true
    if (this.#looking !== null) clearInterval(this.#looking)
    this.#waiting.clear()
    for (const { all } of this.targets) for (const connection of all) connection.destroy()
  }

  #serve (target: Target, request: UpstreamRequest): void {
    this.#looking ??= setInterval(look, this.#lookMs, this).unref()
    target.serve(request)
  }

  /** Returns the targets that a request can go to. Those that refused connections lately are left out if there are others. */
  #candidates (tried: readonly ConnectionTarget[] = []): readonly Target[] {
    if (this.targets.length === 1) return tried.length === 0 && !this.targets[0]!.isDown ? this.targets : []
    const up = this.targets.filter(target => !target.isDown && !tried.includes(target))
    const now = performance.now()
    const accepting = up.filter(({ refusedAtMs }) => now - refusedAtMs > refusingMs)
    return accepting.length > 0 ? accepting : up
  }

  /** Returns the less busy of two targets chosen at random among those with room; null if none has room. */
  #choose (candidates: readonly Target[]): Target | null {
    if (candidates.length === 1) return this.#hasRoom(candidates[0]!) ? candidates[0]! : null
    return lessBusy(candidates.filter(target => this.#hasRoom(target)))
  }

  #hasRoom ({ all, idle }: Target): boolean {
    return idle.length > 0 || all.size < this.#options.connections
  }

  /** Counts the time that connections spend without progress, by looks at them, so that a process that was stopped attributes its pause to no upstream. */
  look (): void {
    const limits = { busy: this.#looksIn(this.#options.timeoutMs), opening: this.#looksIn(Math.min(connectTimeoutMs, this.#options.timeoutMs)) }
    let count = 0
    for (const { all } of this.targets) {
      count += all.size
      for (const connection of all) this.#lookAt(connection, limits)
    }
    this.#press()
    if (count > 0) return
    clearInterval(this.#looking!)
    this.#looking = null
  }

  /** Ends requests of slow clients while others wait, at most as many as wait. */
  #press (): void {
    let wanted = this.#waiting.size
    if (wanted === 0) return
    for (const { all } of this.targets) for (const connection of all) if (wanted > 0 && connection.press()) wanted--
  }

  #lookAt (connection: Connection, limits: { busy: number, opening: number }): void {
    if (connection.isPaused) return
    const looks = ++connection.looks
    if (!connection.isOpen) {
      if (looks > limits.opening) connection.refuse()
    } else if (!connection.isIdle) {
      if (looks > limits.busy) connection.expire()
    } else if (looks > this.#looksIn(idleTimeOf(connection.keepAlive))) connection.destroy()
  }

  #looksIn (ms: number): number {
    return Math.max(1, Math.round(ms / this.#lookMs))
  }
}

/** Reads certificates and keys once, and not for each connection. Throws if they cannot be used. */
function tlsOptions (host: string, { ca, cert, key, ...others }: ConnectionOptions): ConnectionOptions {
  const files = { ...ca === undefined ? {} : { ca }, ...cert === undefined ? {} : { cert }, ...key === undefined ? {} : { key } }
  return { ...isIP(host) === 0 ? { servername: host } : {}, ALPNProtocols: ['http/1.1'], secureContext: createSecureContext(files), ...others }
}

function look (pool: Pool): void {
  pool.look()
}

function lessBusy (targets: readonly Target[]): Target | null {
  if (targets.length < 2) return targets[0] ?? null
  const at = Math.floor(Math.random() * targets.length)
  const [one, other] = [targets[at]!, targets[(at + 1 + Math.floor(Math.random() * (targets.length - 1))) % targets.length]!]
  return one.busy <= other.busy ? one : other
}

/** Returns how long an unused connection is kept, by the upstream's Keep-Alive. */
function idleTimeOf (keepAlive: string): number {
  const seconds = /(?:^|[,\s])timeout=(\d{1,9})(?:[,\s]|$)/i.exec(keepAlive)?.[1]
  return seconds === undefined ? idleMs : Math.min(longestIdleMs, Math.max(0, Number(seconds) * 1000 - idleMarginMs))
}
