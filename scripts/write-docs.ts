import { readFile, writeFile } from 'node:fs/promises'
import { configReference } from './config-reference.ts'
import { openApiText } from './openapi.ts'
import { scalingPage } from './scaling-page.ts'

const docs = new URL('../docs/', import.meta.url)

/** Every document that is made from the code, or from what was measured. */
const documents = {
  'configuration.md': configReference(),
  'openapi.json': await openApiText(),
  'scaling.md': await scalingPage(await readFile(new URL('scaling.md', docs), 'utf8'))
}

for (const [name, text] of Object.entries(documents)) await writeFile(new URL(name, docs), text)
