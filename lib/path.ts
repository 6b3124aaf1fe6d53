/*
 * One reading of a path for the decision and for the upstream. What two parsers could read in two ways is refused rather than
 * repaired: encoded slashes and backslashes, dot segments, empty segments, matrix parameters, double encoding.
 */

// Nothing to decode and nothing to refuse: segments of plain characters, none of them `.` or `..`; a query without `#`.
const ordinary = /^\/(?:(?!\.{1,2}(?:[/?]|$))[^\0-\x20%\\;#?/\x7f-\uffff]+(?:\/(?!\.{1,2}(?:[/?]|$))[^\0-\x20%\\;#?/\x7f-\uffff]+)*\/?)?(?:\?[^\0-\x20#\x7f\u0100-\uffff]*)?$/
const escape = /%([0-9A-Fa-f]{2})?/g
const unreserved = /[A-Za-z0-9._~-]/
const refusedCharacters = '/\\;\x7f'
const doubleEncoded = /%25[0-9A-F]{2}/i

/**
 * The one form of an origin-form request target: unreserved characters decoded, other escapes in upper case, the query as it came.
 * Null for every other form of target and for every path that is ambiguous. Canonical targets come back unchanged.
 */
export function canonicalPath (target: string): string | null {
  if (ordinary.test(target)) return target
  const queryAt = target.indexOf('?')
  const path = queryAt === -1 ? target : target.slice(0, queryAt)
  // Without an escape there was nothing to decode: it has been refused already.
  if (!path.includes('%')) return null
  const decoded = decodeOnce(path)
  if (decoded === null || doubleEncoded.test(decoded) || !isUtf8(decoded)) return null
  // Escapes that stay count as ordinary characters now.
  if (!ordinary.test(decoded.replaceAll('%', 'x') + (queryAt === -1 ? '' : target.slice(queryAt)))) return null
  return queryAt === -1 ? decoded : decoded + target.slice(queryAt)
}

function decodeOnce (path: string): string | null {
  let refused = false
  const decoded = path.replace(escape, (whole: string, hex: string | undefined) => {
    const octet = hex === undefined ? '\0' : String.fromCharCode(parseInt(hex, 16))
    if (octet < ' ' || refusedCharacters.includes(octet)) refused = true
    return unreserved.test(octet) ? octet : whole.toUpperCase()
  })
  return refused ? null : decoded
}

function isUtf8 (path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}
