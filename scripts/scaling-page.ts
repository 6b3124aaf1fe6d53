import { readMeasured, scalingTables } from '../bench/scaling.ts'
import { withTables } from './generated-tables.ts'

/** Returns the text of docs/guides/scaling.md with its tables generated from the measurements. Throws if a table has no place in it. */
export async function scalingPage (page: string): Promise<string> {
  return withTables('docs/guides/scaling.md', page, scalingTables(await readMeasured()))
}
