import type { Answer } from './machine.ts'

const longestRetrySeconds = 30

/** Timers that are given much more fire at once. */
const longestSeconds = 1e6

export interface Clock {
  /** Minds the token that is held now, and nothing else any more. `isWanted`: it was not fetched just ahead of time. */
  schedule: (held: Answer | null, isWanted: boolean) => void
  /** After so many failures in a row. */
  wait: (failures: number, retryAfter: number | null) => void
  isExpired: () => boolean
  /** Timers may have stood still, or the token is about to be used. */
  check: (isUse?: boolean) => void
}

/** Durations of the server on the page's own steady clock: what time it is, clients do not agree on. */
export function createClock (onDue: () => void): Clock {
  let timer: ReturnType<typeof setTimeout> | undefined
  let refreshAt = Infinity
  let expiresAt = Infinity
  let isUsed = false

  const start = (work: () => void, delayMs: number): void => {
    clearTimeout(timer)
    timer = setTimeout(work, delayMs)
  }
  const check = (isUse = isUsed): void => {
    isUsed = isUse
    const leftMs = refreshAt - performance.now()
    if (leftMs > 0) {
      if (leftMs < Infinity) start(check, leftMs)
    } else if (isUsed) {
      refreshAt = Infinity
      onDue()
    }
  }
  return {
    schedule (held, isWanted) {
      const now = performance.now()
      expiresAt = now + (held?.expires_in ?? Infinity) * 1000
      // A little earlier, and not all tabs at the same moment.
      refreshAt = now + (held?.refresh_in ?? Infinity) * (1000 - Math.random() * 50)
      // An open page that does nothing must not keep its session from idling out.
      clearTimeout(timer)
      check(isWanted)
    },
    wait (failures, retryAfter) {
      refreshAt = Infinity
      const seconds = Math.min(longestSeconds, retryAfter ?? Math.min(longestRetrySeconds, 2 ** failures / 4))
      start(onDue, seconds * (1000 + Math.random() * 250))
    },
    isExpired: () => performance.now() >= expiresAt,
    check
  }
}
