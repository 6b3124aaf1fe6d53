/*
 * Time and strength of the authentication of a session's subject, and the effect of a step-up on them. SQLite calls these functions inside
 * its transaction; stores/redis/shared/authentication.lua implements them in Lua.
 */

/** Strength and methods of an authentication (RFC 9068). */
export interface Strength { acr: string, amr: string[] }

/** Time, strength and methods of the subject's last authentication. */
export interface Authentication extends Strength { authTimeMs: number }

/** Maximum number of methods that a session keeps. Methods that it already has take precedence. */
const maxMethods = 16
/** Pattern of a number that Lua and JavaScript read as the same value. */
const numeric = /^\d{1,15}$/

/**
 * Returns the authentication of a session whose subject has authenticated again. Nothing is lowered: the later time and the stronger `acr`
 * are kept, and the methods are united. An `acr` that cannot be compared is kept; an empty one claims nothing and is replaced.
 */
export function strengthen (known: Authentication, fresh: Strength, nowMs: number): Authentication {
  const isStronger = known.acr === '' || (isAtLeast(fresh.acr, known.acr) && !isAtLeast(known.acr, fresh.acr))
  const amr = [...new Set([...known.amr, ...fresh.amr])]
  return {
    authTimeMs: Math.max(known.authTimeMs, nowMs),
    acr: isStronger ? fresh.acr : known.acr,
    amr: amr.slice(0, Math.max(maxMethods, known.amr.length))
  }
}

/**
 * Returns the authentication of a session after its identity provider has authenticated the subject again at `authTimeMs`. Strengths that
 * cannot be compared are names of the provider, so the new one replaces the known one.
 */
export function strengthenAtProvider (known: Authentication, fresh: Strength, authTimeMs: number): Authentication {
  const strengthened = strengthen(known, fresh, authTimeMs)
  const isComparable = numeric.test(known.acr) && numeric.test(fresh.acr)
  return isComparable || fresh.acr === '' ? strengthened : { ...strengthened, acr: fresh.acr }
}

/**
 * Returns whether the authentication is at least as recent and as strong as the other one, so that it permits whatever the other one
 * permits.
 */
export function covers ({ authTimeMs, acr, amr }: Authentication, other: Authentication): boolean {
  return authTimeMs >= other.authTimeMs && (acr === other.acr || isAtLeast(acr, other.acr)) && other.amr.every(method => amr.includes(method))
}

/**
 * Returns whether an `acr` is one of those that a route accepts. A number is also satisfied by a higher one, because a step-up never lowers
 * the `acr` of a session.
 */
export function isOneOf (acr: string, accepted: readonly string[]): boolean {
  return accepted.some(other => acr === other || isAtLeast(acr, other))
}

function isAtLeast (acr: string, other: string): boolean {
  return numeric.test(acr) && numeric.test(other) && Number(acr) >= Number(other)
}
