/** Far more than any form of ours sends: what costs time to parse is many fields. */
const longest = 32_768
const mostFields = 16

/**
 * The fields of an `application/x-www-form-urlencoded` body as browsers write it. Null when it could be read in two ways: a name
 * twice, escapes that are none or no UTF-8 (so that no two passwords are read as the same one), anything that is not plain ASCII.
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
