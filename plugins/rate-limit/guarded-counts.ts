import type { FastifyRequest } from 'fastify'
import { StoreUnavailableError } from '../../lib/errors.ts'
import type { BudgetLimits, Count, Counts } from '../../stores/counts.ts'

interface Guard { timeoutMs: number, onError: (error: unknown) => void }

/**
 * Counts of the application, which may fail. An operation that throws, takes too long or returns no count rejects the request with
 * StoreUnavailableError: a request that cannot be counted is not served.
 */
export class GuardedCounts implements Counts {
  readonly #counts: Counts
  readonly #guard: Guard

  constructor (counts: Counts, guard: Guard) {
    this.#counts = counts
    this.#guard = guard
  }

  add (request: FastifyRequest, key: string, limits: BudgetLimits): Count | Promise<Count> {
    try {
      const counted = this.#counts.add(request, key, limits)
      return isPromise(counted) ? this.#wait(counted) : assertCount(counted)
    } catch (error) {
      throw this.#refusal(error)
    }
  }

  subtract (key: string, limits: BudgetLimits): void {
    try {
      const subtracted: unknown = this.#counts.subtract(key, limits)
      if (isPromise(subtracted)) Promise.resolve(subtracted).catch(this.#guard.onError)
    } catch (error) {
      this.#guard.onError(error)
    }
  }

  async #wait (counted: PromiseLike<Count>): Promise<Count> {
    const { timeoutMs } = this.#guard
    const { promise: late, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(() => { reject(new Error(`there was no count within ${timeoutMs} ms`)) }, timeoutMs)
    try {
      return assertCount(await Promise.race([counted, late]))
    } catch (error) {
      throw this.#refusal(error)
    } finally {
      clearTimeout(timer)
    }
  }

  #refusal (error: unknown): Error {
    this.#guard.onError(error)
    return new StoreUnavailableError({ cause: error })
  }
}

function isPromise (value: unknown): value is PromiseLike<Count> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}

/** Returns a count. Throws TypeError for a value that would admit every request, such as NaN. */
function assertCount (counted: Count): Count {
  const { count, leftMs } = (counted as Count | null | undefined) ?? {}
  if (!(Number.isFinite(count) && Number.isFinite(leftMs)) || count! < 0 || leftMs! < 0) throw new TypeError('add must return { count, leftMs }, two numbers that are not negative')
  return counted
}
