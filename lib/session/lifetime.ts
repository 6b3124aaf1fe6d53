/** Last use is told and written on a grid of this share of the idle timeout, so that it does not tell when exactly the owner was here. */
const gridShare = 30

/** Ending other sessions than one's own needs an authentication of at most this age. */
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

/** When a session was last used, as precisely as it may be told: in milliseconds. */
export function lastUseOnGrid (record: { lastUsedAtMs: number }, idleTimeoutMs: number): number {
  const grid = gridMs(idleTimeoutMs)
  return Math.floor(record.lastUsedAtMs / grid) * grid
}

/** A NumericDate (RFC 7519) of an instant in milliseconds. */
export function seconds (instantMs: number): number {
  return Math.floor(instantMs / 1000)
}
