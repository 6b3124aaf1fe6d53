/** State of a budget after a request was counted. */
export interface Standing {
  name: string
  max: number
  windowMs: number
  /** Number of requests counted in the window, including this one. */
  count: number
  /** Time until the window ends, in milliseconds. */
  leftMs: number
}

/** Returns the headers of draft-ietf-httpapi-ratelimit-headers, as structured fields. `name` must be visible ASCII without " and \. */
export function rateLimitHeaders ({ name, max, windowMs, count, leftMs }: Standing): { ratelimit: string, 'ratelimit-policy': string } {
  return {
    'ratelimit-policy': `"${name}";q=${max};w=${Math.ceil(windowMs / 1000)}`,
    ratelimit: `"${name}";r=${Math.max(0, max - count)};t=${secondsLeft(leftMs)}`
  }
}

/** Returns the whole seconds after which the window has ended, rounded up; at least 1. */
export function secondsLeft (leftMs: number): number {
  return Math.max(1, Math.ceil(leftMs / 1000))
}
