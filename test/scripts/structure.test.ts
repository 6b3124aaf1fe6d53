import { readFile } from 'node:fs/promises'
import t from 'tap'
import { directionRows, measureStructure } from '../../scripts/structure.ts'

t.test('CONTRIBUTING shows which folder may import which, as lint checks it', async t => {
  const text = await readFile(new URL('../../CONTRIBUTING.md', import.meta.url), 'utf8')
  for (const row of directionRows()) t.ok(text.includes(`${row}\n`), row)
})

t.test('the code has no circle, no arrow upwards, no full folder and no crowded root', async t => {
  const { rows, problems } = await measureStructure()
  t.same(problems, [])
  t.ok(Number(rows[0]?.[1]) > 250, 'the production files were found')
})
