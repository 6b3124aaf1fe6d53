const SQLITE_BUSY = 5

/**
 * Connections that write wait this long for a lock and then ask again. SQLite's own waiting goes up to 100 ms between two looks,
 * so that a process that writes all the time would starve the others.
 */
export const lockPollMs = 2

/** The primary result code of an SQLite error, or null. */
export function resultCode (error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null
  return error.errcode & 0xff
}

/** Repeats an action that another process's lock prevents, until `timeoutMs` have passed. */
export function retryWhileBusy<T> (timeoutMs: number, action: () => T): T {
  const deadlineMs = performance.now() + timeoutMs
  for (;;) {
    try {
      return action()
    } catch (error) {
      if (resultCode(error) !== SQLITE_BUSY || performance.now() >= deadlineMs) throw error
    }
  }
}
