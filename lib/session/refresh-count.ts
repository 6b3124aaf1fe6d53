/** Maximum number of refreshes of a session in a window. */
export interface RefreshLimit { max: number, windowMs: number }

/** Refreshes counted in a window, which starts with its first refresh. */
export interface RefreshCount { count: number, endsAtMs: number }

/** State of the count that a client receives. */
export interface Counted { count: number, leftMs: number }

/**
 * Counts one more refresh. `max` + 1 is the first one over the limit, and all later ones are `max` + 2. If the clock stepped back so far
 * that the window would last too long, a new window starts.
 */
export function countRefresh (known: RefreshCount | null, nowMs: number, { max, windowMs }: RefreshLimit): RefreshCount {
  if (known === null || nowMs >= known.endsAtMs || known.endsAtMs - nowMs > windowMs) return { count: 1, endsAtMs: nowMs + windowMs }
  return { count: Math.min(known.count, max + 1) + 1, endsAtMs: known.endsAtMs }
}
