import { createClock, type Clock } from './clock.ts'
import { isFinal, isRefusal, type ClientError } from './errors.ts'
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
  close: () => void
}

/** Runs the machine in a page: asks, waits, minds the time, talks to other tabs. */
export function createKeeper ({ kind, question, onSignedOut }: KeeperOptions): Keeper {
  const channel = new BroadcastChannel(sharedName)
  const clock = createClock(() => { dispatch('due') })
  const listeners = new Set<() => void>()
  const closing = new AbortController()
  let state = initial

  listenToPage(type => {
    dispatch(type)
    clock.check()
  }, closing.signal)
  channel.onmessage = ({ data }: { data: Message }) => {
    if (!data.held || data.kind === kind) dispatch('heard', data.held, data.sid)
  }

  function dispatch (...event: Event): void {
    if (closing.signal.aborted) return
    const before = state
    state = next(before, event)
    const { status, held, failures } = state
    if (state.question !== null && state.question !== before.question) void ask(state.question)
    if (failures > before.failures) clock.wait(failures, state.failure!.retryAfter)
    if (status === before.status && held === before.held) return
    if (held !== before.held) clock.schedule(held, !before.isBelieved)
    if (event[0] !== 'heard' && (held !== before.held || status === 'signed-out')) {
      channel.postMessage({ kind, held, sid: before.held?.session.sid } satisfies Message)
    }
    if (before.held && !held) queueMicrotask(onSignedOut)
    for (const listener of listeners) listener()
  }

  async function ask (epoch: number): Promise<void> {
    dispatch(...await alone<Event>(async () => {
      // Another tab had the answer first. Out of its epoch no answer is heard, so none is needed.
      if (state.epoch !== epoch) return ['answered', null]
      try {
        return ['answered', await question()]
      } catch (error) {
        const failure = error as ClientError
        return isRefusal(failure) ? ['answered', null] : ['unreachable', failure]
      }
    }))
  }

  return {
    get state () { return state },
    dispatch,
    watch (listener) {
      listeners.add(listener)
      return () => { listeners.delete(listener) }
    },
    clock,
    close () {
      closing.abort()
      clock.schedule(null, false)
      channel.close()
    }
  }
}

/** Resolves when it is known who is signed in. Rejects when the gateway does not take such a question, or when the signal is aborted. */
export async function settle (keeper: Keeper, signal?: AbortSignal): Promise<void> {
  if (keeper.clock.isExpired()) keeper.dispatch('doubt')
  keeper.dispatch('ask')
  for (;;) {
    const { isBelieved, status, failure } = keeper.state
    if (isBelieved || status === 'signed-out') return
    if (status === 'waiting' && isFinal(failure!)) throw failure
    signal?.throwIfAborted()
    await new Promise<void>(resolve => {
      const stop = keeper.watch(() => {
        stop()
        resolve()
      })
      signal?.addEventListener('abort', () => { resolve() })
    })
  }
}

function listenToPage (listener: (type: 'restored' | 'wake') => void, signal: AbortSignal): void {
  const page = globalThis as Partial<EventTarget>
  const onEvent = ({ persisted }: { persisted?: boolean }): void => { listener(persisted ? 'restored' : 'wake') }
  for (const type of pageEvents) page.addEventListener?.(type, onEvent as () => void, { signal })
}
