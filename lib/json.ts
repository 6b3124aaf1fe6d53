export interface JsonLimits {
  /** How deep objects and lists may be nested, the outermost included. */
  levels: number
  /** How many characters may stand outside texts, each text counting as one, and how many backslashes before the quotes in one. Default: no limit. */
  structure?: number
}

/**
 * What keeps a JSON text from being taken as it is, found before it is parsed and at a cost that the limits bound:
 * `repeated`: an object has two members of one name. Parsers differ in which of them counts, so what checked the request on the
 * way may have seen another one. `nested` and `large`: it is more than the limits. Null also for much that is no JSON at all.
 */
export function findFault (text: string, { levels, structure = Infinity }: JsonLimits): 'repeated' | 'nested' | 'large' | null {
  // Of each object that is open its names; null for a list, and until there is one.
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

/** Where the quote that ends a text is; -1 when there is none, Infinity when more than `most` backslashes stand before quotes in it. */
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

/** Whether a colon follows: behind white space that goes beyond the limit it does not matter any more. */
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
    // No JSON: whoever parses it refuses it.
    return spelt
  }
}
