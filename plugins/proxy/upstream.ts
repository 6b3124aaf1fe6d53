import { channel } from 'node:diagnostics_channel'
import { Pool } from 'undici'
import { ConfigInvalidError, RequestTimeoutError, UpstreamTimeoutError, UpstreamUnreachableError } from '../../lib/errors.ts'
import type { HeaderPolicy } from '../../lib/proxy/forwarding.ts'
import type { UpstreamCounts } from './upstream-counts.ts'
import type { Streams } from '../streams.ts'
import { createConnector } from './connector.ts'
import type { Slots } from './slots.ts'

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

/** State that all exchanges with one upstream share. */
export interface Upstream extends HeaderPolicy {
  readonly prefix: string
  /** Origin that browsers see. */
  readonly origin: string
  readonly pool: Pool
  readonly timeoutMs: number
  readonly clientTimeoutMs: number
  /** Slots, one for each connection of the pool. */
  readonly slots: Slots
  readonly websocket: boolean
  /** Registry that ends streams with their session; null if it is not registered. */
  readonly streams: Streams | null
  readonly stripCors: boolean
  /** Counter of the requests in flight. */
  readonly counter: { inFlight: number }
  readonly counts: UpstreamCounts
}

const connectTimeoutMs = 10_000

export function createPool (target: string, timeoutMs: number, connections: number): Pool {
  const url = URL.parse(target)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.origin !== target.replace(/\/$/, '').toLowerCase()) {
    throw new ConfigInvalidError('proxy: target must be scheme, host and port alone, such as http://127.0.0.1:3001')
  }
  return new Pool(url.origin, {
    connections,
    allowH2: false,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connect: createConnector({ allowH2: false, timeout: Math.min(timeoutMs, connectTimeoutMs) })
  })
}

/** Returns the error that the client receives for a failure before the upstream's headers. */
export function failureOf (error: Error & { code?: string }): Error {
  if (error instanceof RequestTimeoutError || error instanceof UpstreamTimeoutError) return error
  if (error.code === 'UND_ERR_HEADERS_TIMEOUT' || error.code === 'UND_ERR_BODY_TIMEOUT') return new UpstreamTimeoutError({ cause: error })
  return new UpstreamUnreachableError({ cause: error })
}
