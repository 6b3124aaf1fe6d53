/*
 * The canonical form of a path, so that the access decision and the upstream read the same path. Paths that two parsers could read
 * differently are rejected, not repaired: encoded slashes and backslashes, dot segments, empty segments, matrix parameters, double
 * encoding.
 */

// A target with nothing to decode and nothing to reject: segments of plain characters, none of them `.` or `..`; a query without `#`.
const ordinary = /^\/(?:(?!\.{1,2}(?:[/?]|$))[^\0-\x20%\\;#?/\x7f-\uffff]+(?:\/(?!\.{1,2}(?:[/?]|$))[^\0-\x20%\\;#?/\x7f-\uffff]+)*\/?)?(?:\?[^\0-\x20#\x7f\u0100-\uffff]*)?$/
/** Maximum length of a path with escapes. No service accepts a longer one, and each escape costs time. */
const maxEscapedLength = 65_536
const unreserved = /[A-Za-z0-9._~-]/
const refusedCharacters = '/\\;\x7f'
/** Spelling of each octet; undefined for an octet that is rejected. */
const spellings = Array.from({ length: 256 }, (_, octet) => {
  const character = String.fromCharCode(octet)
  if (octet < 0x20 || refusedCharacters.includes(character)) return undefined
  return unreserved.test(character) ? character : `%${octet.toString(16).toUpperCase().padStart(2, '0')}`
})
const doubleEncoded = /%25[0-9A-F]{2}/i

/**
 * Returns the canonical form of an origin-form request target: unreserved characters decoded, other escapes in upper case, the query
 * unchanged. Canonical targets are returned unchanged. Returns null for every other form of target and for every ambiguous path.
 */
export function canonicalPath (target: string): string | null {
  if (ordinary.test(target)) return target
  const queryAt = target.indexOf('?')
  const path = queryAt === -1 ? target : target.slice(0, queryAt)
  // A path without an escape has nothing to decode, and `ordinary` has already rejected it.
  if (path.length > maxEscapedLength || !path.includes('%')) return null
  const decoded = decodeOnce(path)
  if (decoded === null || doubleEncoded.test(decoded) || !isUtf8(decoded)) return null
  // The remaining escapes count as ordinary characters.
  if (!ordinary.test(decoded.replaceAll('%', 'x') + (queryAt === -1 ? '' : target.slice(queryAt)))) return null
  return queryAt === -1 ? decoded : decoded + target.slice(queryAt)
}

/** Decodes escapes in one pass. Returns null at the first escape of an octet that a path must not contain. */
function decodeOnce (path: string): string | null {
  let decoded = ''
  let from = 0
  for (let at = path.indexOf('%'); at !== -1; at = path.indexOf('%', from)) {
    const octet = (hexDigit(path.charCodeAt(at + 1)) << 4) | hexDigit(path.charCodeAt(at + 2))
    const spelling = spellings[octet]
    if (spelling === undefined) return null
    decoded += path.slice(from, at) + spelling
    from = at + 3
  }
  return decoded + path.slice(from)
}

/** Returns the value of a hexadecimal digit; -1 for any other character, which yields no valid octet. */
function hexDigit (code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30
  const lower = code | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

function isUtf8 (path: string): boolean {
  try {
    decodeURIComponent(path)
    return true
  } catch {
    return false
  }
}

const faults: Array<[pattern: RegExp, fault: string]> = [
  [/\\|%5c/i, 'a backslash'],
  [/;|%3b/i, 'a semicolon'],
  [/%2f/i, 'an encoded slash (%2F)'],
  [/%25[0-9a-f]{2}/i, 'a double encoding (%25 before two hexadecimal digits)'],
  [/%(?![0-9a-f]{2})/i, 'an incomplete escape (%)'],
  [/[\0-\x20\x7f]|%[01][0-9a-f]|%7f/i, 'a control character or a space'],
  [/[^\0-\x7f]/, 'a character outside ASCII that is not escaped'],
  [/\/\//, 'an empty segment (//)'],
  [/\/(?:\.|%2e){1,2}(?:\/|$)/i, 'a dot segment']
]

/** Returns why `canonicalPath` rejects a target, for the log: the first fault that is found, without any content of the target. */
export function pathFault (target: string): string {
  if (!target.startsWith('/')) return 'the target is no path'
  if (target.includes('#')) return 'a fragment (#)'
  const path = target.split('?', 1)[0]!
  if (path.length > maxEscapedLength && path.includes('%')) return `escapes in a path of more than ${maxEscapedLength} characters`
  const fault = faults.find(([pattern]) => pattern.test(path))?.[1]
  if (fault !== undefined) return fault
  if (canonicalPath(path) !== null) return 'a character that may not be in a query'
  return isUtf8(path) ? 'a double encoding (%25 before two hexadecimal digits)' : 'escapes that are not UTF-8'
}

/** Number of times that a path is decoded to find what a service could read in it. */
const mostDecodings = 8

/** Dots between what some server reads as the end of a segment. */
const dotSegment = /(?:^|[/;?#\\])\.{1,2}(?:[/;?#\\]|$)/

/**
 * Characters that a server may read as a slash or a backslash: those that look like one, and those that code pages of Windows map to one (yen
 * and won). Unicode's compatibility forms of dots and slashes are found by NFKC.
 */
const likeSlash = /[\u2044\u2215\u2216\u29f5\u29f8\u29f9\u00a5\u20a9]/g

/** Overlong forms of UTF-8, and the escapes of IIS, which some servers decode. */
const unusualEncoding = /[\xc0\xc1][\x80-\xbf]|\xe0[\x80-\x9f][\x80-\xbf]|%u[0-9a-f]{4}/i

/**
 * Returns why a target cannot be forwarded byte for byte to a service with one policy for all of its paths; null if it can. Only what leads
 * out of a prefix, for any service and after any number of decodings, is rejected.
 */
export function transparentFault (target: string): string | null {
  if (!target.startsWith('/')) return 'the target is no path'
  if (target.includes('#')) return 'a fragment (#)'
  let path = target.split('?', 1)[0]!
  for (let i = 0; i < mostDecodings; i++) {
    if (/[\\\0]/.test(path)) return 'a backslash or NUL'
    if (unusualEncoding.test(path)) return 'an encoding that servers read in different ways'
    if (hasDotSegment(path) || hasDotSegment(asRead(Buffer.from(path, 'latin1').toString()))) return 'a dot segment'
    const decoded = path.replace(/%([0-9a-f]{2})/gi, (_escape, hex: string) => String.fromCharCode(parseInt(hex, 16)))
    if (decoded === path) return null
    path = decoded
  }
  return 'too many encodings within each other'
}

/** Returns a path as a server reads it that maps characters to plain ones, and ignores blanks and characters without a width. */
function asRead (path: string): string {
  return path.normalize('NFKC').replace(/[\p{Z}\p{Cf}]/gu, '').replace(likeSlash, '/')
}

/** Returns whether a path has a dot segment for a reader that ignores blanks and control characters. */
function hasDotSegment (path: string): boolean {
  return dotSegment.test(path.replace(/[\0-\x20\x7f]/g, ''))
}
