import { StoreUnavailableError } from '../../lib/errors.ts'
import type { Breaker } from '../breaker.ts'

/** Settles like `promise`, but within `ms`, and every rejection is a StoreUnavailableError. */
export function within<T> (promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const expire = (): void => reject(unavailable(named('DeadlineError', `no answer within ${ms} ms`)))
    // After a stall of this process the timer fires before the answer that waits in the socket is read: one more turn reads it.
    const timer = setTimeout(() => setImmediate(expire), ms)
    promise.then(
      value => { clearTimeout(timer); resolve(value) },
      (error: Error) => { clearTimeout(timer); reject(unavailable(error)) }
    )
  })
}

export interface Guard {
  breaker: Breaker
  /** The call was not answered in time, or could not be made. */
  onSilence: () => void
}

/** The same for a call that is made only if the breaker lets it. */
export async function guarded<T> ({ breaker, onSilence }: Guard, call: () => Promise<T>, ms: number): Promise<T> {
  breaker.begin()
  try {
    const value = await within(call(), ms)
    breaker.answered()
    return value
  } catch (error) {
    const { name } = (error as { cause: Error }).cause
    if (name === 'ReplyError') breaker.answered()
    else if (name === 'DeadlineError') breaker.expired()
    else breaker.failed()
    if (name !== 'ReplyError') onSilence()
    throw error
  }
}

/** The error for callers. The cause keeps its message alone: a client's error carries the command's arguments, hashes and keys among them. */
export function unavailable (error: Error): Error {
  return new StoreUnavailableError({ cause: named(error.name, error.message) })
}

function named (name: string, message: string): Error {
  return Object.assign(new Error(message), { name })
}
