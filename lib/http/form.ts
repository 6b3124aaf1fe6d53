/** Limits of a form, far above what the gateway's own forms send. Many fields are expensive to parse. */
const longest = 32_768
const mostFields = 16

/**
 * Parses an `application/x-www-form-urlencoded` body as browsers write it. Returns null if the body is ambiguous: a repeated name, invalid
 * escapes, escapes that are not UTF-8 (two passwords must never be read as the same one), or characters outside plain ASCII.
 */
export function parseForm (text: string): Record<string, string> | null {
  if (text.length > longest || !/^[\x21-\x7e]*$/.test(text)) return null
  const pairs = text.split('&', mostFields + 1)
  if (pairs.length > mostFields) return null
  const fields = new Map<string, string>()
  if (text === '') return {}
  for (const pair of pairs) {
    const [name = '', ...value] = pair.split('=')
    const decoded = decode(name)
    if (decoded === null || fields.has(decoded)) return null
    const content = decode(value.join('='))
    if (content === null) return null
    fields.set(decoded, content)
  }
  return Object.fromEntries(fields)
}

function decode (text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return null
  }
}
