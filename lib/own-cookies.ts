const names = '(?:__Host-portcullis|portcullis|__Secure-portcullis-refresh|portcullis-refresh|__Host-portcullis-device|portcullis-device)'

// In any case, and also behind a leading `=`: browsers send a cookie without a name as its bare value. Some skip a leading `;`.
const ownPair = new RegExp(`^[\\s=;]*${names}\\s*(?:[=;]|$)`, 'i')

/** A Cookie header without Portcullis cookies, all others as they came; null when none is left. */
export function withoutOwnCookies (header: string): string | null {
  if (!/portcullis/i.test(header)) return header
  const others = header.split(';').filter(pair => !ownPair.test(pair))
  return others.length === 0 ? null : others.join(';').trim()
}

/** Whether a Set-Cookie header sets, replaces or deletes a Portcullis cookie. */
export function setsOwnCookie (header: string): boolean {
  return ownPair.test(header)
}
