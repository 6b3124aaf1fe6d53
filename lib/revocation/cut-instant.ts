/** Time for which a store remembers the instant of a cut, in milliseconds: 30 days. */
export const cutInstantKeptMs = 2_592_000_000

/** Epoch of a subject or of everybody, with the instant of the cut that has raised it. */
export interface CutInstant {
  epoch: number
  /** Epoch to which the instant belongs. A process of an earlier version raises the epoch alone. */
  cutEpoch: number | null
  cutAtMs: number | null
}

/** Epoch with which a store begins, before any cut. */
const firstEpoch = 1

/**
 * Returns the latest instant of a cut that has this epoch, not after now. A cut raises the epoch above the seconds of the clock, so the instant
 * of the cut is never later.
 */
export function latestCutMs (epoch: number, nowMs: number): number {
  return Math.min(nowMs, epoch * 1000 - 1)
}

/** Returns the instant of the last cut, or the latest possible one if it is unknown; null without a cut. */
export function cutInstantOf ({ epoch, cutEpoch, cutAtMs }: CutInstant, nowMs: number): number | null {
  if (epoch <= firstEpoch) return null
  return cutEpoch === epoch && cutAtMs !== null ? cutAtMs : latestCutMs(epoch, nowMs)
}

/**
 * Returns whether a cut refuses a sign-in that counts from `countsFromMs`. A sign-in that began in the future of the store's clock is refused
 * by every cut, because the clock was set back and the order is unknown.
 */
export function isCutSince (cutMs: number | null, { beganAtMs, countsFromMs }: { beganAtMs: number, countsFromMs: number }, nowMs: number): boolean {
  return cutMs !== null && (cutMs >= countsFromMs || beganAtMs > nowMs)
}
