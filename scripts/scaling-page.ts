import { readMeasured, scalingTables } from '../bench/scaling.ts'

/** The page with each table between its marks made anew. Throws where a table has no place in it. */
export async function scalingPage (page: string): Promise<string> {
  let written = page
  for (const [name, table] of Object.entries(scalingTables(await readMeasured()))) {
    const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
    const [before, rest] = written.split(begin)
    const after = rest?.split(end)[1]
    if (before === undefined || after === undefined) throw new Error(`docs/scaling.md: ${begin} … ${end} is missing`)
    written = `${before}${begin}\n\n${table}\n\n${end}${after}`
  }
  return written
}
