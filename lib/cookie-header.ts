import { CookieDuplicateError } from './errors.ts'

/**
 * The value of the cookie called exactly `name` in a Cookie header, or null.
 * Throws CookieDuplicateError when it is there twice: browsers send the cookie of a narrower path first, so whoever can plant
 * one (a sibling path, a sub-domain) could choose which of the two counts.
 */
export function readCookie (header: string | undefined, name: string): string | null {
  if (header === undefined) return null
  const at = findCookie(header, name, 0)
  if (at === -1) return null
  const start = at + name.length + 1
  if (findCookie(header, name, start) !== -1) throw new CookieDuplicateError()
  const end = header.indexOf(';', start)
  return (end === -1 ? header.slice(start) : header.slice(start, end)).trim()
}

/** Where `name=` starts as a pair of its own at or after `from`; -1 if nowhere. */
function findCookie (header: string, name: string, from: number): number {
  for (let at = header.indexOf(name, from); at !== -1; at = header.indexOf(name, at + 1)) {
    if (header.charCodeAt(at + name.length) === 61 && startsPair(header, at)) return at
  }
  return -1
}

function startsPair (header: string, at: number): boolean {
  let before = at - 1
  while (before >= 0 && (header.charCodeAt(before) === 32 || header.charCodeAt(before) === 9)) before--
  return before < 0 || header.charCodeAt(before) === 59
}
