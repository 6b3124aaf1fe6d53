import { setTimeout as wait } from 'node:timers/promises'

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

const pauseMs = 20
const quietMs = 1000

/**
 * One wait, over several steps, for what other processes have locked while a file is opened. The event loop goes on meanwhile.
 * `onWait` is called once, when it has taken a second.
 */
export class Patience {
  readonly #startedAtMs = performance.now()
  readonly #timeoutMs: number
  readonly #onWait: () => void
  #hasTold = false

  constructor (timeoutMs: number, onWait: () => void) {
    this.#timeoutMs = timeoutMs
    this.#onWait = onWait
  }

  async whileBusy<T> (action: () => T): Promise<T> {
    for (;;) {
      try {
        return action()
      } catch (error) {
        const waitedMs = performance.now() - this.#startedAtMs
        if (resultCode(error) !== SQLITE_BUSY || waitedMs >= this.#timeoutMs) throw error
        if (waitedMs >= quietMs && !this.#hasTold) {
          this.#hasTold = true
          this.#onWait()
        }
        await wait(pauseMs)
      }
    }
  }
}
