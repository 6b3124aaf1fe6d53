import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'

const root = join(import.meta.dirname, '..', '..')
const options: ts.CompilerOptions = {
  strict: true,
  exactOptionalPropertyTypes: true,
  noEmit: true,
  skipLibCheck: true,
  allowImportingTsExtensions: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  jsx: ts.JsxEmit.Preserve,
  lib: ['lib.es2022.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  types: [],
  paths: { 'portcullis/client': [join(root, 'client', 'index.ts')] }
}

t.test('every snippet of docs/guides/browser.md compiles under strict rules', async t => {
  const page = await readFile(join(root, 'docs', 'guides', 'browser.md'), 'utf8')
  const snippets = [...page.matchAll(/^```(tsx?)\n([^]*?)^```$/gm)].map(([, language, text]) => ({ language, text: text! }))
  t.equal(snippets.length, 4)
  const names = snippets.map(({ language, text }, index) => text.startsWith('// session.ts') ? 'session.ts' : `snippet-${index}.${language}`)
  const files = { ...Object.fromEntries(snippets.map(({ text }, index) => [names[index]!, text])), 'undefined.ts': "import { createClient } from 'portcullis/client'\nexport default createClient({ base: undefined, mode: undefined, audience: undefined, onSignedOut: undefined, onStepUp: undefined })\n" }
  // Within the project, so that its packages are found.
  const folder = t.testdir(files)

  const program = ts.createProgram(Object.keys(files).map(name => join(folder, name)), options)

  t.same(ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`), [])
})
