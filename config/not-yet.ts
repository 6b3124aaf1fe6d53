import type { Problem } from './problems.ts'

/** Settings that are checked but that nothing heeds yet: to set one is an error, never without effect. */
export const notYet: string[] = []

/** One problem for each setting of the table that is set; `false` and an empty list set nothing. */
export function findNotYet (input: unknown): Problem[] {
  const settings = notYet.flatMap(path => occurrences(input, path.split(/\.|(?=\[\])/), ''))
  return [...new Set(settings)].map(setting => ({ setting, text: 'not supported yet; remove it' }))
}

function occurrences (value: unknown, [name, ...rest]: string[], setting: string): string[] {
  if (name === undefined) return value === undefined || value === false ? [] : [setting]
  if (name === '[]') {
    if (!Array.isArray(value)) return []
    return value.flatMap((item, index) => rest.length === 0 ? setting : occurrences(item, rest, `${setting}[${index}]`))
  }
  if (value === null || typeof value !== 'object' || !Object.hasOwn(value, name)) return []
  return occurrences((value as Record<string, unknown>)[name], rest, setting === '' ? name : `${setting}.${name}`)
}
