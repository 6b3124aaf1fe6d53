import type { Answer, Event } from './machine.ts'

interface Clock {
  /**
   * Schedules the refresh of the held token and replaces any earlier schedule. `isWanted`: the token was fetched for a use, not
   * ahead of time.
   */
  schedule: (held: Answer | null, isWanted: boolean) => void
  /** Schedules a retry after this number of consecutive failures. */
  wait: (failures: number, retryAfter: number | null) => void
  isExpired: () => boolean
  /** Checks the schedule now, because timers may have been suspended, or because the token is about to be used. */
  check: (isUse?: boolean) => void
}

/**
 * Measures the durations that the gateway sends on the page's monotonic clock, because the wall clocks of clients are often wrong.
 * An unknown instant is NaN, which compares as neither past nor future.
 */
export function createClock (dispatch: (...event: Event) => void, signal: AbortSignal): Clock {
  const longestRetrySeconds = 30
  // Timers with a much longer delay fire at once.
  const longestMs = 1e9
  let timer: ReturnType<typeof setTimeout> | undefined
  let dueAt = NaN
  let expiresAt = NaN
  let isUsed = false

  const check = (isUse = isUsed): void => {
    isUsed = isUse
    clearTimeout(timer)
    const leftMs = dueAt - performance.now()
    if (leftMs > 0) timer = setTimeout(check, Math.min(longestMs, leftMs))
    // An idle open page must not keep its session from expiring.
    else if (leftMs <= 0 && isUsed) {
      dueAt = NaN
      dispatch('due')
    }
  }
  const plan = (seconds: number, isUse: boolean): void => {
    dueAt = performance.now() + seconds * 1000
    check(isUse)
  }
  for (const type of ['online', 'visibilitychange', 'pageshow']) {
    (globalThis as Partial<EventTarget>).addEventListener?.(type, event => {
      dispatch((event as unknown as { persisted?: boolean }).persisted ? 'restored' : 'wake')
      check()
    }, { signal })
  }
  return {
    schedule (held, isWanted) {
      expiresAt = performance.now() + held?.expires_in! * 1000
      // The refresh is a little early, and at a different moment in each tab.
      plan(held?.refresh_in! * (1 - Math.random() / 20), isWanted)
    },
    wait: (failures, retryAfter) => plan((retryAfter ?? Math.min(longestRetrySeconds, 2 ** failures / 4)) * (1 + Math.random() / 4), true),
    isExpired: () => performance.now() >= expiresAt,
    check
  }
}
