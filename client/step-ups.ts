import { makeError } from './errors.ts'
import type { Keeper } from './keeper.ts'

/** Asks the user to authenticate again when a response demands it; resolves to whether a retry can succeed. */
export type Meet = (maxAge: number | null | undefined) => Promise<true | undefined>

/**
 * Returns a function that every request calls when it begins. Requests that need a fresh authentication at the same time share one
 * prompt.
 */
export function createStepUps (dispatch: Keeper['dispatch'], ask: ((maxAge: number | null) => Promise<unknown>) | undefined): () => Meet {
  let pending: Promise<unknown> | undefined
  let answeredAt = 0
  return () => {
    const before = pending
    const begunAt = performance.now()
    return async maxAge => {
      if (!ask || maxAge === undefined) return
      // The request began during the prompt, which may be waiting for it.
      if (before && before === pending) throw makeError('PTC_ERR_STEP_UP_REQUIRED', 401, maxAge)
      // The user may have authenticated since the request was sent.
      if (!(answeredAt > begunAt && answeredAt > performance.now() - maxAge! * 1000)) {
        dispatch('step-up', true)
        pending ??= ask(maxAge).then(() => { answeredAt = performance.now() }).finally(() => {
          pending = undefined
          dispatch('step-up', false)
        })
        await pending
      }
      return true
    }
  }
}
