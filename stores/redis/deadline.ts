import { StoreUnavailableError } from '../../lib/errors.ts'
import type { Breaker } from '../breaker.ts'

/** Settles like `promise`, but within `ms`; every rejection is a StoreUnavailableError. */
export function within<T> (promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const expire = (): void => reject(unavailable(named('DeadlineError', `no answer within ${ms} ms`)))
    // The timer fires before a waiting answer is read when this process was stalled; one more turn of the event loop reads it.
    const timer = setTimeout(() => setImmediate(expire), ms)
    promise.then(
      value => { clearTimeout(timer); resolve(value) },
      (error: Error) => { clearTimeout(timer); reject(unavailable(error)) }
    )
  })
}

export interface Guard {
  breaker: Breaker
  /** Called when a call got no answer in time, or could not be made. */
  onSilence: () => void
}

/** Makes a call when the breaker permits it; settles like `within`. */
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

/**
 * Creates the error for callers. The cause has only the message, because a client's error contains the arguments of the command,
 * such as hashes and keys.
 */
export function unavailable (error: Error): Error {
  return new StoreUnavailableError({ cause: named(error.name, error.message) })
}

function named (name: string, message: string): Error {
  return Object.assign(new Error(message), { name })
}
