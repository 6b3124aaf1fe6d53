import { clockToleranceSeconds } from '../jwt/claims.ts'

/** Time for which tokens are accepted after `exp`. */
export const toleranceMs = clockToleranceSeconds * 1000

/** Maximum lifetimes of the credentials that a revocation can concern. */
export interface CredentialAges {
  /** Of the gateway's access tokens. */
  maxTokenAgeMs: number
  /** Of other issuers' tokens. */
  maxForeignTokenAgeMs: number
  /** Of sessions. */
  absoluteTimeoutMs: number
}

/** Time for which revocations are kept: until the credentials that they concern have expired. */
export interface Retention {
  /** Of a session, whose tokens outlive it. */
  maxTokenAgeMs: number
  /** Of another issuer's token. */
  maxForeignTokenAgeMs: number
  /** Of a subject, or of everything. */
  keepCutsForMs: number
}

/** Returns the time for which the end, or the key, of tokens with this maximum lifetime is kept. */
export function keptForMs (maxTokenAgeMs: number): number {
  return maxTokenAgeMs + toleranceMs
}

/** Returns the time for which each kind of revocation is kept. */
export function retentionOf ({ maxTokenAgeMs, maxForeignTokenAgeMs, absoluteTimeoutMs }: CredentialAges): Retention {
  return {
    maxTokenAgeMs: keptForMs(maxTokenAgeMs),
    maxForeignTokenAgeMs: keptForMs(maxForeignTokenAgeMs),
    // Sessions from before a cut live at most for `absoluteTimeout`, and their tokens no longer. Foreign tokens live for their maximum
    // lifetime.
    keepCutsForMs: keptForMs(Math.max(absoluteTimeoutMs, maxForeignTokenAgeMs))
  }
}
