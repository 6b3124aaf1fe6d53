import { InternalError } from './errors.ts'

/** What was thrown, as an error: a hook that is done with `null` or `0` would let the request through. */
export function asError (thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new InternalError({ cause: new TypeError('a value that is no error was thrown') })
}
