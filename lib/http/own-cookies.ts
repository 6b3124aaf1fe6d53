export type CookieKind = 'session' | 'refresh' | 'device'

export interface CookieName {
  /** The name that is set and read. */
  name: string
  /** The name under which the first release set the same cookie; null where it is the same. */
  former: string | null
}

/** Characters that every server and browser reads alike in the name of a cookie; not the endings, which tell the kinds of one deployment apart. */
export const cookieNamePattern = '^(?!.*-(?:refresh|device)$)[A-Za-z0-9][A-Za-z0-9_-]{0,63}$'

/**
 * The names of the cookies of one deployment. `__Host-Http-` (RFC 6265bis successor, Chromium 140 and Firefox 143) lets no script set
 * the cookie; browsers that do not know it take it for `__Host-`. The prefixes need Secure, so an http origin goes without them.
 */
export function cookieNames (name: string, isSecure: boolean): Record<CookieKind, CookieName> {
  if (!isSecure) return { session: unchanged(name), refresh: unchanged(`${name}-refresh`), device: unchanged(`${name}-device`) }
  return {
    session: { name: `__Host-Http-${name}`, former: `__Host-${name}` },
    refresh: unchanged(`__Secure-${name}-refresh`),
    // Chromium 156 registers a bound session whose cookie has the prefix __Host-Http-, and then never renews that cookie.
    device: unchanged(`__Host-${name}-device`)
  }
}

function unchanged (name: string): CookieName {
  return { name, former: null }
}

/** Recognises the cookies of one deployment in headers, so that they never pass between clients and upstreams. */
export interface OwnCookies {
  /** A Cookie header without them, all others as they came; null when none is left. */
  without (header: string): string | null
  /** Whether a Set-Cookie header sets, replaces or deletes one of them. */
  areSetBy (header: string): boolean
}

export function createOwnCookies (name: string): OwnCookies {
  const names = [true, false].flatMap(isSecure => Object.values(cookieNames(name, isSecure))).flatMap(({ name, former }) => former === null ? name : [name, former])
  // In any case, and also behind a leading `=`: browsers send a cookie without a name as its bare value. Some skip a leading `;`.
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
