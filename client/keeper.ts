import { createClock, type Clock } from './clock.ts'
import { isFinal, isRefusal, makeError, type ClientError } from './errors.ts'
import { initial, next, type Answer, type Event, type State } from './machine.ts'
import { alone, sharedName, type Message } from './tabs.ts'

const pageEvents = ['online', 'visibilitychange', 'pageshow']

export interface KeeperOptions {
  /** Only tabs of the same kind can use each other's answers. */
  kind: string
  /** Asks for the session, or the next access token. */
  question: () => Promise<Answer>
  onSignedOut: () => void
}

export interface Keeper {
  readonly state: State
  dispatch: (...event: Event) => void
  /** Calls the listener after every change; returns what ends that. */
  watch: (listener: () => void) => () => void
  clock: Clock
  /** Aborted by `close`, with its error. */
  closing: AbortSignal
  close: () => void
  /**
   * Resolves when it is known who is signed in. Rejects when the gateway does not take such a question. `isUse`: a token in doubt
   * will do while the gateway has refused a refresh for the number of them, because that says nothing against the token.
   */
  settle: (isUse?: boolean) => Promise<void>
}

/** Runs the machine in a page: asks, waits, minds the time, talks to other tabs. */
// eslint-disable-next-line max-lines-per-function -- to be split
export function createKeeper ({ kind, question, onSignedOut }: KeeperOptions): Keeper {
  const page = globalThis as Partial<EventTarget>
  const channel = globalThis.BroadcastChannel && new BroadcastChannel(sharedName)
  const clock = createClock(() => { dispatch('due') })
  const listeners = new Set<() => void>()
  const closing = new AbortController()
  const closed = closing.signal
  let state = initial

  const onPageEvent = ({ persisted }: { persisted?: boolean }): void => {
    dispatch(persisted ? 'restored' : 'wake')
    clock.check()
  }
  for (const type of pageEvents) page.addEventListener?.(type, onPageEvent as () => void, { signal: closed })
  if (channel) {
    channel.onmessage = ({ data: { held, sid, kind: theirs } }: { data: Message }) => {
      if (!held || theirs === kind) dispatch('heard', held, sid)
      else if (held.session.sid !== state.held?.session.sid) {
        // A sign-in there has replaced the cookie that this tab uses.
        dispatch('restored')
        dispatch('ask')
      }
    }
    // In Node it would keep the process from ending.
    ;(channel as { unref?: () => void }).unref?.()
  }

  // eslint-disable-next-line complexity -- to be split
  function dispatch (...event: Event): void {
    if (closed.aborted) return
    const before = state
    state = next(before, event)
    const { status, held, failures } = state
    if (state.question !== null && state.question !== before.question) void ask(state.question)
    if (failures > before.failures) clock.wait(failures, state.failure!.retryAfter)
    if (status === before.status && held === before.held) return
    if (held !== before.held) clock.schedule(held, !before.isBelieved)
    if (event[0] !== 'heard' && (held !== before.held || status === 'signed-out')) {
      channel?.postMessage({ kind, held, sid: before.held?.session.sid } satisfies Message)
    }
    if (before.held && !held) queueMicrotask(onSignedOut)
    for (const listener of listeners) listener()
  }

  async function ask (epoch: number): Promise<void> {
    dispatch(...await alone<Event>(async () => {
      // Another tab had the answer first. Out of its epoch no answer is heard, so none is needed.
      if (closed.aborted || state.epoch !== epoch) return ['answered', null]
      try {
        return ['answered', await question()]
      } catch (error) {
        const failure = error as ClientError
        return isRefusal(failure) ? ['answered', null] : ['unreachable', failure]
      }
    }))
  }

  async function settle (isUse?: boolean): Promise<void> {
    if (clock.isExpired()) dispatch('doubt')
    dispatch('ask')
    for (;;) {
      const { isBelieved, status, failure, held } = state
      if (isBelieved || status === 'signed-out') return
      if (status === 'waiting') {
        if (isFinal(failure!)) throw failure
        if (isUse && held && failure!.status === 429 && !clock.isExpired()) return
      }
      await new Promise<void>(resolve => {
        const stop = watch(() => {
          stop()
          resolve()
        })
      })
    }
  }

  function watch (listener: () => void): () => void {
    listeners.add(listener)
    return () => { listeners.delete(listener) }
  }

  return {
    get state () { return state },
    dispatch,
    watch,
    clock,
    settle,
    closing: closed,
    close () {
      closing.abort(makeError('PTC_ERR_CLOSED'))
      clock.schedule(null, false)
      channel?.close()
    }
  }
}
