export type CookieKind = 'session' | 'refresh' | 'device' | 'challenge'

export interface CookieName {
  /** Name under which the cookie is set and read. */
  name: string
  /** Name under which the first release set the same cookie; null if the name is unchanged. */
  former: string | null
}

/**
 * Pattern of a cookie name: characters that every server and browser reads alike. It excludes the endings that distinguish the cookies of
 * one deployment, and the beginning `http-`: the former name `__Host-Http-x` would be the current one of the deployment `x`.
 */
export const cookieNamePattern = /^(?!http-)(?!.*-(?:refresh|device|challenge|login-[0-9a-f]{16})$)[a-z0-9][a-z0-9_-]{0,63}$/i

/**
 * Returns the names of the cookies of one deployment. The prefix `__Host-Http-` (RFC 6265bis successor, Chromium 140 and Firefox 143)
 * prevents scripts from setting the cookie; browsers that do not know it treat it as `__Host-`. The prefixes require Secure, so an http
 * origin uses none.
 */
export function cookieNames (name: string, isSecure: boolean): Record<CookieKind, CookieName> {
  if (!isSecure) return { session: unchanged(name), refresh: unchanged(`${name}-refresh`), device: unchanged(`${name}-device`), challenge: unchanged(`${name}-challenge`) }
  return {
    session: { name: `__Host-Http-${name}`, former: `__Host-${name}` },
    refresh: unchanged(`__Secure-${name}-refresh`),
    // Chromium 156 registers a bound session whose cookie has the prefix __Host-Http-, but never renews that cookie.
    device: unchanged(`__Host-${name}-device`),
    challenge: unchanged(`__Host-Http-${name}-challenge`)
  }
}

/** Returns the beginning of the names of the cookies of sign-ins at identity providers, each of which ends with the id of a sign-in. */
export function loginCookiePrefix (name: string, isSecure: boolean): string {
  return `${isSecure ? '__Host-Http-' : ''}${name}-login-`
}

/** End of the name of a sign-in's cookie. */
export const loginIdPattern = /^[0-9a-f]{16}$/

function unchanged (name: string): CookieName {
  return { name, former: null }
}

/** Recognises the cookies of one deployment in headers, so that they never pass between clients and upstreams. */
export interface OwnCookies {
  /** Returns a Cookie header without these cookies and with all others unchanged; null if none is left. */
  without (header: string): string | null
  /** Returns whether a Set-Cookie header sets, replaces or deletes one of these cookies. */
  areSetBy (header: string): boolean
}

/** Recognises the cookies of several deployments. */
export function joinOwnCookies (several: readonly OwnCookies[]): OwnCookies {
  if (several.length === 1) return several[0]!
  return {
    without: header => several.reduce<string | null>((left, own) => left === null ? null : own.without(left), header),
    areSetBy: header => several.some(own => own.areSetBy(header))
  }
}

export function createOwnCookies (name: string): OwnCookies {
  const names = [true, false].flatMap(isSecure => Object.values(cookieNames(name, isSecure))).flatMap(({ name, former }) => former === null ? name : [name, former])
  for (const isSecure of [true, false]) names.push(`${loginCookiePrefix(name, isSecure)}[0-9a-f]{16}`)
  // The match ignores case and a leading `=`, because browsers send a cookie without a name as its bare value. Some browsers skip a leading
  // `;`.
  const ownPair = new RegExp(`^[\\s=;]*(?:${names.join('|')})\\s*(?:[=;]|$)`, 'i')
  const mentioned = new RegExp(name, 'i')
  return {
    without (header) {
      if (!mentioned.test(header)) return header
      const others = header.split(';').filter(pair => !ownPair.test(pair))
      return others.length === 0 ? null : others.join(';').trim()
    },
    areSetBy: header => ownPair.test(header)
  }
}
