import { existsSync, statSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { anchorsOf, linksOf, readDocument, sourceFiles } from '../helpers/documents.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const documents = await sourceFiles(['.md'])
const anchors = new Map(await Promise.all(documents.map(async path => [path, anchorsOf(await readDocument(path))] as const)))

/** What is wrong with the relative links of a document. */
function brokenLinks (document: string, text: string): string[] {
  return linksOf(text).flatMap(({ target, path, anchor }) => {
    const file = path === '' ? document : posix.join(posix.dirname(document), path)
    if (!existsSync(root + file)) return [`${document}: ${target} leads to no file`]
    if (anchor === null) return []
    if (statSync(root + file).isDirectory() || !file.endsWith('.md')) return [`${document}: ${target} has an anchor in a file without headings`]
    return anchors.get(file)?.has(anchor) === true ? [] : [`${document}: ${target} leads to no heading`]
  })
}

t.test('every relative link of every document leads to a file, and its anchor to a heading', async t => {
  t.ok(documents.includes('README.md') && documents.includes('docs/security/requirements.md') && documents.includes('test/faults/README.md'))
  for (const path of documents) t.same(brokenLinks(path, await readDocument(path)), [], path)
})

t.test('a link that leads nowhere is found', async t => {
  const text = '[a](nowhere.md) [b](#nowhere) [c](docs/guides/operating.md#nowhere) [d](docs#nowhere) [e](https://example.com/x) `[f](code.md)`\n'

  t.same(brokenLinks('README.md', text), [
    'README.md: nowhere.md leads to no file',
    'README.md: #nowhere leads to no heading',
    'README.md: docs/guides/operating.md#nowhere leads to no heading',
    'README.md: docs#nowhere has an anchor in a file without headings'
  ])
  t.same(brokenLinks('docs/guides/operating.md', '[a](../reference/limits.md#what-is-bounded) [b](#redis)'), [])
})

t.test('anchors are those that GitHub derives from headings', async t => {
  t.same([...anchorsOf('# One `two`, three\n## A: b/c\n## A: b/c\n```\n# no heading\n```\n')], ['one-two-three', 'a-bc', 'a-bc-1'])
})

t.test('every document that code, comments, scripts or other documents name is there', async t => {
  for (const path of await sourceFiles(['.ts', '.mjs', '.js', '.json', '.jsonc', '.md', '.yaml', '.yml', 'run', 'Dockerfile', '.service'])) {
    if (path === 'package-lock.json' || path === 'test/docs/links.test.ts') continue
    for (const [name] of (await readDocument(path)).matchAll(/(?<![\w./-])docs\/[\w./-]+\.(?:md|json)\b/g)) t.ok(existsSync(root + name), `${path}: ${name}`)
  }
})

t.test('every guide, reference and security document can be reached from README', async t => {
  const reached = new Set(linksOf(await readDocument('README.md')).map(({ path }) => path))

  for (const path of documents.filter(path => path.startsWith('docs/'))) t.ok(reached.has(path), path)
})
