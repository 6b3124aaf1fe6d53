import { writeFile } from 'node:fs/promises'
import { configReference } from './config-reference.ts'
import { openApiText } from './openapi.ts'

/** Every document that is made from the code. */
const documents = {
  'configuration.md': configReference(),
  'openapi.json': await openApiText()
}

for (const [name, text] of Object.entries(documents)) await writeFile(new URL(`../docs/${name}`, import.meta.url), text)
