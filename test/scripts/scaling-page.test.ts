import { readFile } from 'node:fs/promises'
import t from 'tap'
import { scalingPage } from '../../scripts/scaling-page.ts'

const written = await readFile(new URL('../../docs/guides/scaling.md', import.meta.url), 'utf8')

t.test('the tables of the page about scale are what was measured and simulated: npm run docs', async t => {
  t.equal(written, await scalingPage(written))
})

t.test('a page without a place for a table is refused', async t => {
  await t.rejects(scalingPage(written.replace('<!-- fleets -->', '')), /docs\/guides\/scaling\.md: <!-- fleets --> … <!-- \/fleets --> is missing/)
})
