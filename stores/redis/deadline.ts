import { StoreUnavailableError } from '../../lib/errors.ts'

/** Settles like `promise`, but within `ms`, and every rejection is a StoreUnavailableError. */
export function within<T> (promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const expire = (): void => reject(unavailable(new Error(`no answer within ${ms} ms`)))
    // After a stall of this process the timer fires before the answer that waits in the socket is read: one more turn reads it.
    const timer = setTimeout(() => setImmediate(expire), ms)
    promise.then(
      value => { clearTimeout(timer); resolve(value) },
      (error: Error) => { clearTimeout(timer); reject(unavailable(error)) }
    )
  })
}

/** The error for callers. The cause keeps its message alone: a client's error carries the command's arguments, hashes and keys among them. */
export function unavailable (error: Error): Error {
  const cause = new Error(error.message)
  cause.name = error.name
  return new StoreUnavailableError({ cause })
}
