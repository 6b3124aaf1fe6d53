import { setTimeout as wait } from 'node:timers/promises'

const firstPauseMs = 250
const longestPauseMs = 5000

/** Repeats `work` with growing pauses until it succeeds or `signal` is aborted. */
export async function persist (work: () => Promise<void>, signal: AbortSignal, onFailure: (error: unknown) => void): Promise<void> {
  for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
    try {
      return await work()
    } catch (error) {
      onFailure(error)
      await wait(pauseMs, undefined, { signal, ref: false }).catch(() => {})
    }
  }
}
