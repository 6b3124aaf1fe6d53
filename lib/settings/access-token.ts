import { Type } from '@sinclair/typebox'
import { count, duration, group } from './fields.ts'

const { Optional } = Type

/** No access token lives longer. */
export const longestTokenTtl = '15m'

export const accessToken = group({
  /** How long a token is good, 1m to 15m. */
  ttl: Optional(duration({ description: 'Lifetime of an access token.', default: '10m', minimum: '1m', maximum: longestTokenTtl, hard: true })),
  /** Verified tokens that are remembered at most. */
  cacheSize: Optional(count({ description: 'Verified tokens that one process caches, about 2.1 kB each; the least recently used are dropped first. The signature of an uncached token is verified at each use.', default: 20_000, minimum: 0, maximum: 10_000_000 }))
}, { description: 'Access tokens.', default: {} })
