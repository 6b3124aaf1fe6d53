/*
 * How recently and how strongly the subject of a session has authenticated, and what a step-up makes of it. SQLite calls these functions
 * inside its transaction; stores/redis/shared/authentication.lua is the same in Lua.
 */

/** How strong an authentication is, and by what (RFC 9068). */
export interface Strength { acr: string, amr: string[] }

/** When the subject last authenticated, how strongly and by what. */
export interface Authentication extends Strength { authTimeMs: number }

/** A session keeps this many methods; those that it has already come first. */
const maxMethods = 16
/** Lua and JavaScript read so many digits as the same number. */
const numeric = /^\d{1,15}$/

/**
 * The authentication of a session whose subject has authenticated again. Nothing is lowered: the later instant and the stronger `acr` stay,
 * the methods are united. An `acr` that cannot be compared stays as it is; the empty one claims nothing and is replaced.
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

/** Whether the authentication is as recent and as strong as the other one, so that it may have what the other one has. */
export function covers ({ authTimeMs, acr, amr }: Authentication, other: Authentication): boolean {
  return authTimeMs >= other.authTimeMs && (acr === other.acr || isAtLeast(acr, other.acr)) && other.amr.every(method => amr.includes(method))
}

function isAtLeast (acr: string, other: string): boolean {
  return numeric.test(acr) && numeric.test(other) && Number(acr) >= Number(other)
}
