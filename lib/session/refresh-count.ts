/** How many refreshes a session may have in a window. */
export interface RefreshLimit { max: number, windowMs: number }

/** What was counted in a window, which begins with its first refresh. */
export interface RefreshCount { count: number, endsAtMs: number }

/** What a client is told of it. */
export interface Counted { count: number, leftMs: number }

/**
 * One refresh more; `max` + 1 is the first one that is over, all that follow are one further. A clock that stepped back must not
 * make a window longer than it is: then another one begins.
 */
export function countRefresh (known: RefreshCount | null, nowMs: number, { max, windowMs }: RefreshLimit): RefreshCount {
  if (known === null || nowMs >= known.endsAtMs || known.endsAtMs - nowMs > windowMs) return { count: 1, endsAtMs: nowMs + windowMs }
  return { count: Math.min(known.count, max + 1) + 1, endsAtMs: known.endsAtMs }
}
