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

const files = await sourceFiles([''])
const folders = new Set(files.flatMap(path => path.split('/').slice(0, -1).map((_, index, names) => names.slice(0, index + 1).join('/'))))
const topFolders = new Set(files.flatMap(path => path.includes('/') ? [path.split('/')[0]!] : []))

/**
 * Returns the paths of the repository that a Markdown text names, outside code blocks and links: words that end like sources, or that
 * contain a slash and end like documents or settings, and code spans that begin with a folder of the root. A path that begins with `./` is
 * one of the reader's.
 */
function pathsOf (text: string): string[] {
  const prose = text.replaceAll(/^( *)```[^]*?^\1```$/gm, '').replaceAll(/\]\([^)\s]+\)|https?:\S+/g, ']')
  const words = [...prose.matchAll(/(?<![\w./<>:@*-])(?:\.\.\/)*(?:[\w@*-][\w.@*-]*\/)*[\w@*-][\w.@*-]*\.(?:ts|lua|mjs|js|md|ya?ml|jsonc?)(?![\w/-])/g)].map(([word]) => word).filter(word => /\.(?:ts|lua)$/.test(word) || word.includes('/'))
  const spans = [...prose.matchAll(/`([\w.*-]+(?:\/[\w.*-]+)*\/?)`/g)].map(([, span = '']) => span).filter(span => span.includes('/') && topFolders.has(span.split('/')[0]!))
  return [...new Set([...words, ...spans])]
}

/** Returns whether a path exists from the root or from the document; a name without a folder may be anywhere. A `*` stands for a name. */
function isPresent (document: string, path: string): boolean {
  const name = path.replace(/\/$/, '')
  const matcher = new RegExp(`^${posix.normalize(name).replaceAll('.', '\\.').replaceAll('*', '[^/]*')}$`)
  const fromDocument = posix.join(posix.dirname(document), name)
  if (folders.has(name) || folders.has(fromDocument) || files.includes(fromDocument)) return true
  return files.some(file => matcher.test(file) || (!name.includes('/') && matcher.test(posix.basename(file))))
}

const absent = (document: string, text: string): string[] => pathsOf(text).filter(path => !isPresent(document, path))

t.test('every path of the repository that a document names is there', async t => {
  for (const path of documents) t.same(absent(path, await readDocument(path)), [], path)
})

t.test('a path that is not there is found, in backquotes and without', async t => {
  t.same(absent('test/faults/README.md', 'a `lib/gone.ts`, ../stores/gone.test.ts, `lib/gone/`, `stores/gone`, gone.ts, `test/gone-*.ts`, docs/gone.md'), ['lib/gone.ts', '../stores/gone.test.ts', 'gone.ts', 'test/gone-*.ts', 'docs/gone.md', 'lib/gone/', 'stores/gone'])
  t.same(absent('test/faults/README.md', '`lib/session/rotation.ts`, load.ts, ../stores/breaker.test.ts, `lib/session/`, `test/*/*.slow.test.ts`, `/auth/client/index.js`, `test/<path>.test.ts`, [a](gone.md), https://example.com/gone.ts'), [])
})

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
