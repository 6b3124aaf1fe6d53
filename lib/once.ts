/** Maximum time for which a store remembers that a name was used, in milliseconds: one day. */
export const longestOnceMs = 86_400_000

/** Throws RangeError if a store cannot remember the name: 1 to 128 letters, digits, `-`, `_`, `.` and `:`, for 1 ms to a day. */
export function assertOnce (name: string, keepForMs: number): void {
  if (!/^[\w.:-]{1,128}$/.test(name)) throw new RangeError('a name that is used once must be up to 128 letters, digits, - _ . and :')
  if (!Number.isInteger(keepForMs) || keepForMs < 1 || keepForMs > longestOnceMs) throw new RangeError(`keepForMs must be an integer from 1 to ${longestOnceMs}`)
}
