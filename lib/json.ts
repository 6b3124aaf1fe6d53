const tokens = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/g

/**
 * Whether an object in a JSON text, which has to be well-formed, has two members of one name. Parsers differ in which of them
 * counts, so what checked the request on the way may have seen another one.
 */
export function hasRepeatedMember (text: string): boolean {
  const open: Array<Set<string>> = []
  for (const [token, colon] of text.matchAll(tokens)) {
    if (token === '{' || token === '[') open.push(new Set())
    else if (token === '}' || token === ']') open.pop()
    else if (colon !== undefined) {
      const name = JSON.parse(token.slice(0, -colon.length)) as string
      if (open.at(-1)?.has(name) === true) return true
      open.at(-1)?.add(name)
    }
  }
  return false
}

/** Whether objects and lists in a JSON text, which has to be well-formed, are nested in more than so many levels. */
export function isNestedDeeper (text: string, levels: number): boolean {
  let depth = 0
  for (const [token] of text.matchAll(tokens)) {
    if (token === '{' || token === '[') depth++
    else if (token === '}' || token === ']') depth--
    if (depth > levels) return true
  }
  return false
}
