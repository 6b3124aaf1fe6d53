import { RateLimitedError } from '../lib/errors.ts'

export interface LimiterOptions {
  /** The number of tasks that run at once. */
  running: number
  /** The number of tasks that may wait; further tasks are rejected with RateLimitedError. */
  waiting: number
}

/** Runs tasks a few at a time, in the order in which they arrive. */
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
      // The slot passes directly to the next task, so that no later task overtakes the queue.
      const next = queue.shift()
      if (next === undefined) free++
      else next()
    }
  }
}
