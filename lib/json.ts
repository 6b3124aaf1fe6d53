export interface JsonLimits {
  /** Maximum nesting depth of objects and lists, including the outermost one. */
  levels: number
  /**
   * Maximum number of characters outside strings, where each string counts as one, and of backslashes before quotes in one string. Default:
   * no limit.
   */
  structure?: number
}

/**
 * Finds a fault of a JSON text before it is parsed, at a cost that the limits bound.
 * `repeated`: an object has two members of one name. Parsers differ in which of them counts, so an intermediary that checked the request
 * may have read the other one.
 * `nested` and `large`: the text exceeds the limits.
 * Returns null if there is no fault, and also for many texts that are not JSON.
 */
export function findFault (text: string, { levels, structure = Infinity }: JsonLimits): 'repeated' | 'nested' | 'large' | null {
  // The member names of each open object; null for a list, and for an object before its first member.
  const open: Array<Set<string> | null> = []
  for (let at = 0, steps = 0; at < text.length; at++) {
    if (++steps > structure) return 'large'
    const code = text.charCodeAt(at)
    if (code === leftBrace || code === leftBracket) {
      if (open.push(null) > levels) return 'nested'
    } else if (code === rightBrace || code === rightBracket) open.pop()
    else if (code === quote) {
      const end = endOfText(text, at + 1, structure)
      if (end === -1) return null
      if (end === Infinity) return 'large'
      if (isName(text, end + 1, structure) && !isNew(open, nameOf(text, at, end))) return 'repeated'
      at = end
    }
  }
  return null
}

const quote = 0x22
const backslash = 0x5c
const leftBracket = 0x5b
const rightBracket = 0x5d
const leftBrace = 0x7b
const rightBrace = 0x7d

/**
 * Returns the position of the quote that ends a string; -1 if there is none, and Infinity if more than `most` backslashes precede quotes in
 * the string.
 */
function endOfText (text: string, from: number, most: number): number {
  let end = text.indexOf('"', from)
  for (let escaped = 0; end !== -1; end = text.indexOf('"', end + 1)) {
    let slashes = 0
    while (slashes <= most && end - slashes > from && text.charCodeAt(end - slashes - 1) === backslash) slashes++
    escaped += slashes
    if (escaped > most) return Infinity
    if (slashes % 2 === 0) return end
  }
  return -1
}

/** Returns whether a colon follows. White space beyond the limit is not skipped, because the text is then too large anyway. */
function isName (text: string, from: number, most: number): boolean {
  let at = from
  while (at - from <= most && (text.charCodeAt(at) === 0x20 || (text.charCodeAt(at) >= 0x09 && text.charCodeAt(at) <= 0x0d))) at++
  return text[at] === ':'
}

function isNew (open: Array<Set<string> | null>, name: string): boolean {
  const names = open.at(-1)
  if (names === undefined) return true
  if (names === null) open[open.length - 1] = new Set([name])
  else if (names.has(name)) return false
  else names.add(name)
  return true
}

function nameOf (text: string, start: number, end: number): string {
  const spelt = text.slice(start + 1, end)
  if (!spelt.includes('\\')) return spelt
  try {
    return JSON.parse(text.slice(start, end + 1)) as string
  } catch {
    // The text is not JSON, so every parser rejects it.
    return spelt
  }
}
