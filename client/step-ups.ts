import { makeError } from './errors.ts'
import type { Keeper } from './keeper.ts'

/** Has the user authenticate anew where an answer demands that; resolves to whether another try is worth it. */
export type Meet = (maxAge: number | null | undefined) => Promise<boolean>

/** Returns what every request calls as it begins: those that need a fresh authentication at the same time share one question. */
export function createStepUps (dispatch: Keeper['dispatch'], ask: ((maxAge: number | null) => Promise<unknown>) | undefined): () => Meet {
  let pending: Promise<unknown> | undefined
  return () => {
    const before = pending
    return async maxAge => {
      if (ask && maxAge !== undefined) {
        // It may be a request that the question itself waits for.
        if (before && before === pending) throw makeError('PTC_ERR_STEP_UP_REQUIRED', 401, maxAge)
        dispatch('step-up', true)
        pending ??= ask(maxAge).finally(() => {
          pending = undefined
          dispatch('step-up', false)
        })
        await pending
        return true
      }
      return false
    }
  }
}
