import type { Config } from './config.ts'

/** Tokens are accepted for this long after their expiry. */
const toleranceMs = 5000

/** Returns the maximum age of a token of another issuer; at least that of the gateway's own tokens, which applies without issuers. */
export function maxForeignTokenAgeMs ({ accessToken, issuers }: Config): number {
  return Math.max(accessToken.ttlMs, ...issuers.map(({ maxTokenAgeMs }) => maxTokenAgeMs))
}

/** Returns how long revocations are kept: until the credentials that they concern have expired. */
export function retention (config: Config): { sessionMs: number, tokenMs: number, cutMs: number } {
  const tokenMs = maxForeignTokenAgeMs(config) + toleranceMs
  return { sessionMs: config.accessToken.ttlMs + toleranceMs, tokenMs, cutMs: Math.max(config.session.absoluteTimeoutMs + toleranceMs, tokenMs) }
}
