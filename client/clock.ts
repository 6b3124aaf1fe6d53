import type { Answer, Event } from './machine.ts'

interface Clock {
  /** Minds the token that is held now, and nothing else any more. `isWanted`: it was not fetched just ahead of time. */
  schedule: (held: Answer | null, isWanted: boolean) => void
  /** After so many failures in a row. */
  wait: (failures: number, retryAfter: number | null) => void
  isExpired: () => boolean
  /** Timers may have stood still, or the token is about to be used. */
  check: (isUse?: boolean) => void
}

/**
 * Counts the durations that the gateway tells on the page's monotonic clock, because clients' clocks are wrong. An instant that is
 * not known is NaN, which is neither past nor to come.
 */
export function createClock (dispatch: (...event: Event) => void, signal: AbortSignal): Clock {
  const longestRetrySeconds = 30
  // Timers that are given much more fire at once.
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
    // An open page that does nothing must not keep its session from idling out.
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
      // A little earlier, and not all tabs at the same moment.
      plan(held?.refresh_in! * (1 - Math.random() / 20), isWanted)
    },
    wait: (failures, retryAfter) => plan((retryAfter ?? Math.min(longestRetrySeconds, 2 ** failures / 4)) * (1 + Math.random() / 4), true),
    isExpired: () => performance.now() >= expiresAt,
    check
  }
}
