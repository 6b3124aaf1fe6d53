/* "Sign out everywhere" must not be undone by single sign-on: what a sign-in at an identity provider means after the last cut of its subject. */

/** A sign-in at a provider beside the last cut of its subject. Instants are milliseconds since the epoch. */
export interface SignInAfterCut {
  /** Instant of the last cut of the subject, by the store's clock; null if there is none. */
  cutMs: number | null
  /** Instant at which the sign-in began at this gateway, by the store's clock. */
  beganAtMs: number
  /** Beginning of the second of the authentication, by the provider's clock; null if the provider does not state it. */
  authTimeMs: number | null
  /** Whether the provider was asked to authenticate the user again (`prompt=login`). */
  isForced: boolean
}

/** `again`: the sign-in starts again, and the provider must authenticate the user (`prompt=login`). `refuse`: the provider did not do that. */
export type CutJudgement = 'open' | 'again' | 'refuse'

/** The provider states a second, within which the authentication may be as late as this. */
const secondMs = 999

/**
 * Returns the instant from which a sign-in counts: a cut at that instant or later covers it. That is its beginning, or its authentication if
 * that was earlier, because a provider that still knows the user signs in silently. Within the second of a cut the order is unknown: then an
 * authentication counts as earlier, unless the provider was asked for it after the cut.
 */
export function countsFromMs ({ beganAtMs, authTimeMs, isForced }: Omit<SignInAfterCut, 'cutMs'>): number {
  if (authTimeMs === null) return 0
  return Math.min(beganAtMs, isForced ? authTimeMs + secondMs : authTimeMs)
}

/**
 * Decides what a sign-in means after a cut. The store compares `countsFromMs` in the operation that opens the session, because a failover may
 * have forgotten the cut when it was read; this decides how a sign-in that it refuses goes on.
 */
export function judgeCut (facts: SignInAfterCut): CutJudgement {
  const { cutMs, beganAtMs, isForced } = facts
  if (cutMs === null || cutMs < countsFromMs(facts)) return 'open'
  return cutMs >= beganAtMs || !isForced ? 'again' : 'refuse'
}
