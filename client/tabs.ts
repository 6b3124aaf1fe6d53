import { sidOf, type Answer, type Event, type State } from './machine.ts'

/** Of lock and channel. Both belong to the page's origin, as the cookie does. */
const sharedName = 'portcullis'

/** Runs work that changes the cookie, one tab at a time, or when the time for waiting is over. */
export function alone<Result> (work: () => Promise<Result>): Promise<Result> {
  // For a tab that is frozen while it holds the lock: the others go on without it. The gateway accepts parallel refreshes.
  const patienceMs = 5000
  // After an answer, so that the waiting tabs have received it before it is their turn.
  const lingerMs = 100
  return new Promise((resolve, reject) => {
    const run = (): Promise<unknown> => work().then(resolve, reject).then(() => new Promise(resolve => setTimeout(resolve, lingerMs)))
    // Without locks there is one tab, as far as the client can tell.
    void ((navigator as Partial<Navigator>).locks?.request(sharedName, { signal: AbortSignal.timeout(patienceMs) }, run).catch(run) ?? run())
  })
}

/** What a tab tells the others. Tokens are in messages alone, which reach pages of the same origin and are kept nowhere. */
export interface Message {
  kind: string
  /** What it holds now; null when it has signed out. */
  data: Answer | null
  /** The session that it held before. */
  sid: string | undefined
}

/** Follows what other tabs tell; only those of the same kind can use each other's answers. Undefined where pages have no channels. */
export function joinTabs (kind: string, getState: () => State, dispatch: (...event: Event) => void): BroadcastChannel | undefined {
  const channel = globalThis.BroadcastChannel && new BroadcastChannel(sharedName)
  if (channel) {
    channel.onmessage = ({ data: { data: held, sid, kind: theirs } }: { data: Message }) => {
      if (!held || theirs === kind) dispatch('heard', held, sid)
      else if (held.session.sid !== sidOf(getState())) {
        // A sign-in there has replaced the cookie that this tab uses.
        dispatch('restored')
        dispatch('ask')
      }
    }
    // In Node it would keep the process from ending.
    ;(channel as { unref?: () => void }).unref?.()
  }
  return channel
}
