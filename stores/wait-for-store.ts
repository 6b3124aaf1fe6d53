import { performance } from 'node:perf_hooks'
import { setTimeout as wait } from 'node:timers/promises'
import { StoreUnavailableError } from '../lib/errors.ts'

const pauseMs = 250

/**
 * Repeats `work` at the start, for at most `forMs`, while it rejects with StoreUnavailableError, so that a busy machine, a lock of another
 * process or a failover does not end a process that is starting. `onWait` is called once, with the reason. `work` must be safe to repeat.
 */
export async function waitForStore<T> (work: () => Promise<T>, onWait: (reason: string) => void, forMs: number): Promise<T> {
  const startedAtMs = performance.now()
  for (let attempt = 1; ; attempt++) {
    try {
      return await work()
    } catch (error) {
      if (!(error instanceof StoreUnavailableError)) throw error
      const reason = error.cause instanceof Error ? error.cause.message : 'no reason is known'
      if (performance.now() - startedAtMs >= forMs) throw new StoreUnavailableError({ cause: new Error(`store: cannot be used yet (${reason})`, { cause: error.cause }) })
      if (attempt === 1) onWait(`store: cannot be used yet (${reason}); waiting for it, at most ${forMs / 1000} s`)
      await wait(pauseMs)
    }
  }
}
