import { readFile, writeFile } from 'node:fs/promises'
import { configReference } from './config-reference.ts'
import { pluginReference } from './plugin-reference.ts'
import { openApiText } from './openapi.ts'
import { readmePage } from './readme-page.ts'
import { recipesPage } from './recipes-page.ts'
import { scalingPage } from './scaling-page.ts'

const root = new URL('../', import.meta.url)
const read = async (path: string): Promise<string> => await readFile(new URL(path, root), 'utf8')

/** The documents that are generated from the code, or from measurements. */
const documents = {
  'README.md': await readmePage(await read('README.md')),
  'docs/reference/configuration.md': configReference(),
  'docs/reference/plugins.md': await pluginReference(),
  'docs/reference/openapi.json': await openApiText(),
  'docs/guides/recipes.md': await recipesPage(await read('docs/guides/recipes.md')),
  'docs/guides/scaling.md': await scalingPage(await read('docs/guides/scaling.md'))
}

for (const [name, text] of Object.entries(documents)) await writeFile(new URL(name, root), text)
