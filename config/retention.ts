import { retentionOf, type Retention } from '../lib/revocation/retention.ts'
import type { Config } from './config.ts'

/** Returns the maximum age of a token of another issuer; at least that of the gateway's own tokens, which applies without issuers. */
export function maxForeignTokenAgeMs ({ accessToken, issuers }: Config): number {
  return Math.max(accessToken.ttlMs, ...issuers.map(({ maxTokenAgeMs }) => maxTokenAgeMs))
}

/** Returns how long a gateway with this configuration keeps revocations. */
export function retention (config: Config): Retention {
  const { accessToken, session } = config
  return retentionOf({ maxTokenAgeMs: accessToken.ttlMs, maxForeignTokenAgeMs: maxForeignTokenAgeMs(config), absoluteTimeoutMs: session.absoluteTimeoutMs })
}
