import type { Answer } from './machine.ts'

/** Of lock and channel. Both belong to the page's origin, as the cookie does. */
export const sharedName = 'portcullis'

/** For a tab that is frozen while it holds the lock: the others go on without it. The gateway takes parallel refreshes for what they are. */
const patienceMs = 5000

/** After an answer, so that the tabs that wait have heard of it before it is their turn. */
const lingerMs = 100

/** Runs work that changes the cookie, one tab at a time, or when the time for waiting is over. */
export function alone<Result> (work: () => Promise<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    const run = async (): Promise<void> => {
      await work().then(resolve, reject)
      await new Promise(resolve => setTimeout(resolve, lingerMs))
    }
    const { locks } = navigator as Partial<Navigator>
    // Without locks there is one tab, as far as the client can tell.
    if (locks) locks.request(sharedName, { signal: AbortSignal.timeout(patienceMs) }, run).catch(run)
    else void run()
  })
}

/** What a tab tells the others. Tokens are in messages alone, which reach pages of the same origin and are kept nowhere. */
export interface Message {
  kind: string
  /** What it holds now; null when it has signed out. */
  held: Answer | null
  /** The session that it held before. */
  sid: string | undefined
}
