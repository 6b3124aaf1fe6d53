import { createClock } from './clock.ts'
import { makeError, type ClientError } from './errors.ts'
import { alone, joinTabs, type Message } from './tabs.ts'
import { initial, next, sidOf, type Answer, type Event, type State } from './machine.ts'

export interface Keeper {
  getState: () => State
  dispatch: (...event: Event) => void
  /** Calls the listener after each change for as long as it returns true. Returns a function that removes the listener. */
  watch: (listener: () => unknown) => () => unknown
  /** Aborted by `close`, with its error as the reason. */
  closing: AbortSignal
  close: () => void
  /**
   * Resolves when the sign-in state is known. Rejects when the gateway refuses the question. `isUse`: accepts a token in doubt
   * while the gateway rejects refreshes by its rate limit, because that is no evidence against the token.
   */
  settle: (isUse?: boolean) => Promise<void>
}

/**
 * Runs the state machine in a page: sends questions, waits, schedules refreshes, and exchanges messages with other tabs. `kind`:
 * only tabs of equal kind can use each other's answers. `question`: requests the session, or the next access token; resolves to
 * null when the page is signed out.
 */
export function createKeeper (kind: string, question: () => Promise<Answer | null>, onSignedOut: () => void): Keeper {
  const getState = (): State => state
  const listeners = new Set<() => unknown>()
  const closing = new AbortController()
  const { signal } = closing
  const clock = createClock(dispatch, signal)
  const channel = joinTabs(kind, getState, dispatch)
  let state = initial

  function dispatch (...event: Event): void {
    if (signal.aborted) return
    const before = state
    state = next(before, event)
    const { held, failures } = state
    if ((state.question ?? before.question) !== before.question) ask()
    if (failures > before.failures) clock.wait(failures, state.failure!.retryAfter)
    if (held !== before.held) clock.schedule(held, !before.isBelieved)
    else if (state.status === before.status) return
    if (event[0] !== 'heard' && (held !== before.held || state.status === 'signed-out')) channel?.postMessage({ kind, data: held, sid: sidOf(before) } satisfies Message)
    if (before.held && !held) queueMicrotask(onSignedOut)
    listeners.forEach(listener => listener() || listeners.delete(listener))
  }

  function ask (): void {
    const { epoch } = state
    // The epoch changes when another tab has the answer first. This answer would then be ignored, so no request is sent.
    void alone(async () => signal.aborted || state.epoch !== epoch ? null : question()).then(
      answer => dispatch('answered', answer),
      (failure: ClientError) => dispatch('failed', failure)
    )
  }

  async function settle (isUse?: boolean): Promise<void> {
    if (clock.isExpired()) dispatch('doubt')
    dispatch('ask')
    clock.check(isUse)
    for (;;) {
      const { isBelieved, status, failure, held } = state
      if (isBelieved || status === 'signed-out') return
      if (status === 'waiting') {
        // A retry cannot succeed.
        if (/^4(?!08|29)/.test(`${failure!.status}`)) throw failure
        if (isUse && held && failure!.status === 429 && !clock.isExpired()) return
      }
      await new Promise(watch)
    }
  }

  function watch (listener: (value?: unknown) => unknown): () => void {
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  return {
    getState,
    dispatch,
    watch,
    settle,
    closing: signal,
    close () {
      closing.abort(makeError('PTC_ERR_CLOSED'))
      clock.schedule(null, false)
      channel?.close()
    }
  }
}
