import { Type } from '@sinclair/typebox'
import { count, duration, group } from './fields.ts'

const { Optional } = Type

/** Maximum lifetime of an access token. */
export const longestTokenTtl = '15m'

export const accessToken = group({
  /** Lifetime of a token, 1m to 15m. */
  ttl: Optional(duration({ description: 'Lifetime of an access token.', default: '10m', minimum: '1m', maximum: longestTokenTtl, hard: true })),
  /** Maximum number of verified tokens that one process caches. */
  cacheSize: Optional(count({ description: 'Verified tokens that one process caches, about 2.1 kB each; the least recently used are dropped first. The signature of an uncached token is verified at each use.', default: 20_000, minimum: 0, maximum: 10_000_000 }))
}, { description: 'Access tokens.', default: {} })
