import t from 'tap'
import { recipesPage } from '../../scripts/recipes-page.ts'
import { readDocument } from '../helpers/documents.ts'

const page = await readDocument('docs/guides/recipes.md')

t.test('the programs of the page are those that are tested, with the imports of an installed package', async t => {
  t.equal(page, await recipesPage(page), 'npm run docs writes the page')
  t.match(page, "} from 'portcullis'\n")
  t.notMatch(page, /from '(?:\.\.\/)+index\.ts'/)
})

t.test('a mark without its end is an error that names the mark', async t => {
  await t.rejects(recipesPage(page.replaceAll('<!-- /example -->', '')), /<!-- \/example --> is missing after <!-- example: examples\/users\.ts -->/)
})
