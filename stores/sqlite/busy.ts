import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'

const SQLITE_BUSY = 5

/**
 * The time that a writing connection waits for a lock before it asks again, in milliseconds. SQLite's own handler pauses up to 100
 * ms between attempts, so a process that writes constantly would starve the others.
 */
export const lockPollMs = 2

/** Returns the primary result code of an SQLite error, or null. */
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
 * One wait, shared by several steps, for the locks of other processes while a file is opened. It does not block the event loop.
 * `onWait` is called once, after a second.
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
