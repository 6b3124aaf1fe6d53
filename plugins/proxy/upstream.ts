import { channel } from 'node:diagnostics_channel'
import type { FastifyRequest } from 'fastify'
import { ConfigInvalidError, InternalError, RequestTimeoutError, UpstreamResponseInvalidError, UpstreamTimeoutError, UpstreamUnreachableError } from '../../lib/errors.ts'
import type { HeaderPolicy } from '../../lib/proxy/request-head.ts'
import type { PublicPlace } from '../../lib/proxy/public-address.ts'
import { Durations } from '../../lib/histogram.ts'
import type { Streams } from '../streams.ts'
import { ResponseInvalid } from '../../lib/proxy/response-invalid.ts'
import type { Connection, ConnectionTarget } from './connection.ts'
import { observeResponse, type ProxyHooks } from './hooks.ts'
import type { Pool } from './pool.ts'

/** Message about one proxied request that has ended. */
export interface UpstreamMessage {
  /** Prefix of the upstream. */
  upstream: string
  method: string
  /** Status that the client received; 499 if it disconnected before any response. */
  status: number
  durationMs: number
}

export const upstreamChannel = channel('portcullis:upstream')

/** Outcomes of the requests to one upstream. */
export class UpstreamCounts {
  /** Prefix of the upstream. */
  readonly upstream: string
  /** Number of requests by the status that the client received; 499 if the client disconnected before any response. */
  readonly byStatus = new Map<number, number>()
  readonly durations = new Durations([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30])

  /** Targets of the upstream; a target is down if its health checks fail. */
  targets: ReadonlyArray<{ readonly isDown: boolean }> = []

  constructor (upstream: string) {
    this.upstream = upstream
  }

  /** Counts a request. `seconds` is null if the duration does not depend on the upstream. */
  add (status: number, seconds: number | null): void {
    this.byStatus.set(status, (this.byStatus.get(status) ?? 0) + 1)
    if (seconds !== null) this.durations.add(seconds)
  }
}

/** State that all exchanges with one upstream share. */
export interface Upstream extends HeaderPolicy {
  readonly prefix: string
  /** Origin that browsers see. */
  readonly origin: string
  readonly pool: Pool
  readonly timeoutMs: number
  readonly clientTimeoutMs: number
  /** Value of Host for the upstream; undefined for the authority of the target. */
  readonly host: string | undefined
  /** How addresses in headers are mapped; null if they are not. */
  readonly place: PublicPlace | null
  readonly websocket: boolean
  /** Registry that ends streams with their session; null if it is not registered. */
  readonly streams: Streams | null
  readonly stripCors: boolean
  /** Counter of the requests in flight. */
  readonly counter: { inFlight: number }
  readonly counts: UpstreamCounts
  readonly hooks: ProxyHooks
}

/** Returns the origin of a target. Throws a ConfigInvalidError for anything but scheme, host and port. */
export function originOfTarget (target: string): string {
  const url = URL.parse(target)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.origin !== target.replace(/\/$/, '').toLowerCase()) {
    throw new ConfigInvalidError('proxy: target must be scheme, host and port alone, such as http://127.0.0.1:3001')
  }
  return url.origin
}

/** Returns the error that the client receives for a failure before the upstream's headers. */
export function failureOf (error: Error, { isOpen }: Connection): Error {
  if (error instanceof RequestTimeoutError || error instanceof UpstreamTimeoutError || error instanceof InternalError) return error
  if (error instanceof ResponseInvalid) return new UpstreamResponseInvalidError({ cause: error })
  return isOpen ? new UpstreamUnreachableError({ cause: error }) : unreachable(error)
}

/** Returns the error for a request that no target can serve. */
export function everyTargetIsDown (): Error {
  return unreachable(new Error('every target is down'))
}

/** Returns the error for a request that was not sent. An upstream that restarts is back soon. */
function unreachable (cause: Error): Error {
  return Object.assign(new UpstreamUnreachableError({ cause }), { headers: { 'retry-after': '1' } })
}

/**
 * Returns the error for a client that sends nothing, or too slowly, in the middle of a body. Its connection ends, because the rest of the
 * body cannot be told from a next request.
 */
export function tooSlow (): Error {
  return Object.assign(new RequestTimeoutError(), { headers: { connection: 'close' } })
}

interface Ended {
  request: FastifyRequest
  method: string
  status: number
  durationMs: number
  isTimed: boolean
  bytes: number
  target: ConnectionTarget | null
}

/** Counts a request that has ended, publishes a message about it, and tells the application's observer. */
export function report ({ prefix, counts, hooks }: Upstream, { request, method, status, durationMs, isTimed, bytes, target }: Ended): void {
  counts.add(status, isTimed ? durationMs / 1000 : null)
  if (upstreamChannel.hasSubscribers) upstreamChannel.publish({ upstream: prefix, method, status, durationMs } satisfies UpstreamMessage)
  if (hooks.onResponse !== undefined) observeResponse(hooks, request, { status, ms: durationMs, bytes, target: target === null ? null : originOf(target) })
}

/** Returns the origin of a target. */
function originOf ({ tls, authority }: ConnectionTarget): string {
  return `${tls === null ? 'http' : 'https'}://${authority}`
}
