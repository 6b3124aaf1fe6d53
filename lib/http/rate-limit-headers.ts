/** A budget at the moment when something was counted. */
export interface Standing {
  name: string
  max: number
  windowMs: number
  /** How many were counted in the window, this one included. */
  count: number
  /** Until the window ends. */
  leftMs: number
}

/** draft-ietf-httpapi-ratelimit-headers: structured fields. `name`: visible ASCII without " and \. */
export function rateLimitHeaders ({ name, max, windowMs, count, leftMs }: Standing): { ratelimit: string, 'ratelimit-policy': string } {
  return {
    'ratelimit-policy': `"${name}";q=${max};w=${Math.ceil(windowMs / 1000)}`,
    ratelimit: `"${name}";r=${Math.max(0, max - count)};t=${secondsLeft(leftMs)}`
  }
}

/** Whole seconds after which the window has ended: never earlier, and never now. */
export function secondsLeft (leftMs: number): number {
  return Math.max(1, Math.ceil(leftMs / 1000))
}
