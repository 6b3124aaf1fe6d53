/** Divisor of the idle timeout that gives the grid on which the last use is reported and stored. The grid hides the exact time of use. */
const gridShare = 30

/** Maximum age, in seconds, of an authentication that may end sessions other than the caller's own. */
export const freshSeconds = 300

export function gridMs (idleTimeoutMs: number): number {
  return Math.max(1, Math.floor(idleTimeoutMs / gridShare))
}

export function isIdle (record: { lastUsedAtMs: number }, nowMs: number, idleTimeoutMs: number): boolean {
  return nowMs - record.lastUsedAtMs >= idleTimeoutMs
}

export function isOver (record: { expiresAtMs: number }, nowMs: number): boolean {
  return nowMs >= record.expiresAtMs
}

/** Returns the time of a session's last use in milliseconds, rounded down to the grid on which it may be reported. */
export function lastUseOnGrid (record: { lastUsedAtMs: number }, idleTimeoutMs: number): number {
  const grid = gridMs(idleTimeoutMs)
  return Math.floor(record.lastUsedAtMs / grid) * grid
}

/** Returns the NumericDate (RFC 7519) of an instant in milliseconds. */
export function seconds (instantMs: number): number {
  return Math.floor(instantMs / 1000)
}
