import { InternalError } from './errors.ts'

/** Returns a thrown value as an error. A hook that calls `done` with `null` or `0` would let the request through. */
export function asError (thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new InternalError({ cause: new TypeError('a value that is no error was thrown') })
}
