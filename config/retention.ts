import type { Config } from './config.ts'

/** Tokens are accepted this long after their end. */
const toleranceMs = 5000

/** How old a token of another issuer may be. At least as old as our own, so that without issuers nothing is special. */
export function maxForeignTokenAgeMs ({ accessToken, issuers }: Config): number {
  return Math.max(accessToken.ttlMs, ...issuers.map(({ maxTokenAgeMs }) => maxTokenAgeMs))
}

/** How long revocations have to be kept: until whatever they concern has ended by itself. */
export function retention (config: Config): { sessionMs: number, tokenMs: number, cutMs: number } {
  const tokenMs = maxForeignTokenAgeMs(config) + toleranceMs
  return { sessionMs: config.accessToken.ttlMs + toleranceMs, tokenMs, cutMs: Math.max(config.session.absoluteTimeoutMs + toleranceMs, tokenMs) }
}
