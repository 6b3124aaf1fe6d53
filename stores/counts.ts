import type { FastifyInstance, FastifyRequest } from 'fastify'

export interface BudgetLimits {
  /** The name that clients read in `RateLimit-Policy`. */
  name: string
  /** Requests of one key in a window. */
  max: number
  windowMs: number
}

/** The requests that were counted in the current window, and the time until the window ends. */
export interface Count { count: number, leftMs: number }

/**
 * Counters of budgets, one for each key of a budget (`limits.name`). A window of `limits.windowMs` starts with the first request of a key,
 * and its counter starts again after it. Concurrent calls each count, so that no two get the same number.
 */
export interface Counts {
  /**
   * Counts a request; `count` includes it, also above `limits.max`. Returns a promise only where other processes count too. A rejection
   * rejects the request with StoreUnavailableError.
   */
  add (request: FastifyRequest, key: string, limits: BudgetLimits): Count | Promise<Count>
  /** Takes one request back. It stays counted when the store cannot be reached. */
  subtract (key: string, limits: BudgetLimits): void
}

/** Creates the counters that every process on one store shares. Each operation takes at most `timeoutMs`. */
export type CreateCounts = (fastify: FastifyInstance, timeoutMs: number) => Promise<Counts>
