/** Returns the page with the tables between their marks replaced. Throws if a table has no place in the page. */
export function withTables (path: string, page: string, tables: Record<string, string>): string {
  let written = page
  for (const [name, table] of Object.entries(tables)) {
    const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
    const [before, rest] = written.split(begin)
    const after = rest?.split(end)[1]
    if (before === undefined || after === undefined) throw new Error(`${path}: ${begin} … ${end} is missing`)
    written = `${before}${begin}\n\n${table}\n\n${end}${after}`
  }
  return written
}
