import { RateLimitedError } from '../lib/errors.ts'

export interface LimiterOptions {
  /** How many run at once. */
  running: number
  /** How many may wait; one more is refused with RateLimitedError. */
  waiting: number
}

/** Runs tasks a few at a time, in the order in which they came. */
export function createLimiter ({ running, waiting }: LimiterOptions): <Result>(task: () => Promise<Result>) => Promise<Result> {
  const queue: Array<() => void> = []
  let free = running

  return async function run (task) {
    if (free > 0) free--
    else if (queue.length < waiting) await new Promise<void>(resolve => queue.push(resolve))
    else throw new RateLimitedError()
    try {
      return await task()
    } finally {
      // The place is handed on, not freed, so that nobody overtakes the queue.
      const next = queue.shift()
      if (next === undefined) free++
      else next()
    }
  }
}
