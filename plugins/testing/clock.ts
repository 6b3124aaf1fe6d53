import { durationMs, type Duration } from '../../lib/check-options.ts'

/** A clock that a test moves, and that stands still otherwise. */
export interface TestClock {
  /** Returns the time in milliseconds since the epoch. It is the value of the option `clock` of `store`. */
  readonly now: () => number
  /** Moves the clock forward. The duration is a text with a unit, such as `31m`, or a number of milliseconds. */
  advance (duration: Duration): void
}

/** Creates a clock for the option `clock` of `store`, which moves sessions, tokens, signing keys and rate limits. It starts at the present. */
export function testClock (startsAt: Date | number = Date.now()): TestClock {
  let nowMs = Number(startsAt)
  if (!Number.isSafeInteger(nowMs)) throw new TypeError('testClock: startsAt must be a valid Date, or milliseconds since the epoch')
  return {
    now: () => nowMs,
    advance (duration) {
      const ms = durationMs(duration)
      if (!Number.isSafeInteger(ms) || ms < 0) throw new RangeError('advance: must be a duration such as 30s or 15m, or a number of milliseconds from 0 on')
      nowMs += ms
    }
  }
}
