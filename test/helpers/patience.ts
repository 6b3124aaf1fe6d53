import { setTimeout as wait } from 'node:timers/promises'

/**
 * The time that a test waits for an event before it fails. The limit only tells a hang from slow work, so it is far beyond what the
 * work takes on a slow, shared machine: a passing test never waits for it.
 */
export const patienceMs = 120_000

const tickMs = 10

/**
 * Resolves to whether `work` settles within `ms` of time that this process has had: timers of `tickMs` are counted, one after
 * another. A busy machine delays the work and the timers alike, and a stall of the process counts as one tick.
 */
export async function settlesWithin (ms: number, work: Promise<unknown>): Promise<boolean> {
  const settled = work.then(() => true, () => true)
  for (let tick = 0; tick < ms / tickMs; tick++) {
    if (await Promise.race([settled, wait(tickMs, false)])) return true
  }
  return false
}
