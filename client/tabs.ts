import { sidOf, type Answer, type Event, type State } from './machine.ts'

/** The name of the lock and of the channel. Both belong to the page's origin, as the cookie does. */
const sharedName = 'portcullis'

/** Runs work that changes the cookie in one tab at a time, or without the lock after a timeout. */
export function alone<Result> (work: () => Promise<Result>): Promise<Result> {
  // A tab may be frozen while it holds the lock; the others then continue without it. The gateway accepts parallel refreshes.
  const patienceMs = 5000
  // The lock is held a little longer, so that the waiting tabs receive the answer before their turn.
  const lingerMs = 100
  return new Promise((resolve, reject) => {
    const run = (): Promise<unknown> => work().then(resolve, reject).then(() => new Promise(resolve => setTimeout(resolve, lingerMs)))
    // A browser without locks is treated as if it had one tab.
    void ((navigator as Partial<Navigator>).locks?.request(sharedName, { signal: AbortSignal.timeout(patienceMs) }, run).catch(run) ?? run())
  })
}

/** A message between tabs. Messages reach only pages of the same origin and are not stored, so they may contain tokens. */
export interface Message {
  kind: string
  /** The answer that the tab holds now; null when it has signed out. */
  data: Answer | null
  /** The session that the tab held before. */
  sid: string | undefined
}

/**
 * Follows the messages of other tabs; only tabs of equal kind can use each other's answers. Returns undefined where
 * BroadcastChannel is missing.
 */
export function joinTabs (kind: string, getState: () => State, dispatch: (...event: Event) => void): BroadcastChannel | undefined {
  const channel = globalThis.BroadcastChannel && new BroadcastChannel(sharedName)
  if (channel) {
    channel.onmessage = ({ data: { data: held, sid, kind: theirs } }: { data: Message }) => {
      if (!held || theirs === kind) dispatch('heard', held, sid)
      else if (held.session.sid !== sidOf(getState())) {
        // A sign-in in that tab has replaced the cookie that this tab uses.
        dispatch('restored')
        dispatch('ask')
      }
    }
    // An open channel would keep a Node process alive.
    ;(channel as { unref?: () => void }).unref?.()
  }
  return channel
}
