import { readFile } from 'node:fs/promises'
import t from 'tap'
import { checkConfig } from '../../config/load.ts'
import { parseDurationMs } from '../../lib/units.ts'

const root = new URL('../../', import.meta.url)
const read = async (path: string): Promise<string> => await readFile(new URL(path, root), 'utf8')
const threatModel = await read('docs/security/threat-model.md')

interface Row { section: string, row: string, requirement: string, where: string[] }

/** Cells of a table's line; a bar that belongs to the text has a backslash before it. */
function cellsOf (line: string): string[] {
  return line.split(/(?<!\\)\|/).slice(1, -1).map(cell => cell.trim())
}

/** The rows of the tables under headings with a number, whatever their first column is called. */
function readRows (text: string): Row[] {
  return text.split(/^### /m).slice(1).flatMap(part => {
    const [section = '', ...lines] = part.split('\n')
    return lines.filter(line => line.startsWith('|')).slice(2).map(line => {
      const [row = '', requirement = '', where = ''] = cellsOf(line)
      return { section, row, requirement, where: where.split('<br>').map(place => plain(place.trim())) }
    })
  })
}

/** What Markdown shows as it stands: escapes and entities taken back. */
function plain (text: string): string {
  return text.replaceAll(/\\([^a-z0-9\s])/gi, '$1').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&')
}

/** What the titles of the tests in a file look like: each as it stands, and anything at all where one is filled in. */
async function titlesOf (path: string): Promise<RegExp[]> {
  const source = await read(path)
  const titles = [...source.matchAll(/\bt\.test\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/g)].map(([, , title = '']) => title.replaceAll(/\\(.)/g, '$1').split(/\$\{[^}]*\}/))
  // A title that is filled in as a whole says nothing.
  return titles.filter(constant => constant.join('').length >= 8).map(constant => new RegExp(`^${constant.map(escape).join('.+')}$`))
}

function escape (text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')
}

const rows = (await Promise.all(['docs/security/requirements.md', 'docs/reference/limits.md'].map(read))).flatMap(readRows)
const numbered = rows.filter(({ section }) => /^[1-8]\./.test(section))

t.test('the tables are read, escapes and places included', async t => {
  const [row] = readRows('### 1. x\n\n| row | requirement | where |\n| --- | --- | --- |\n| 7 | a \\| b | test/a.test.ts: one &lt;two&gt;<br>out of scope: \\_x\\_ |\n')
  t.same(row, { section: '1. x', row: '7', requirement: 'a \\| b', where: ['test/a.test.ts: one <two>', 'out of scope: _x_'] })
  const titles = await titlesOf('test/security/csrf.test.ts')
  t.ok(titles.some(title => title.test('… is refused when another site caused it, and changes nothing')))
  t.notOk(titles.some(title => title.test('a title that no test has')))
})

t.test('every requirement is in the threat model once', async t => {
  const seen = numbered.map(({ row }) => row)
  const expected = Array.from({ length: 151 }, (_, index) => String(index + 1))

  t.same(seen.filter((row, index) => seen.indexOf(row) !== index), [], 'none twice')
  t.same(seen.filter(row => !expected.includes(row)), [], 'none that is no number of a requirement')
  t.same(expected.filter(row => !seen.includes(row)), [], 'none missing')
})

t.test('every requirement is told in words', async t => {
  for (const { row, requirement, where } of rows) {
    t.match(requirement, /\w+ \w+/, row)
    t.ok(where.length > 0 && where.every(place => place !== ''), `${row}: where`)
  }
})

t.test('every requirement is tested where the threat model says, or left out for a reason', async t => {
  const known = new Map<string, RegExp[]>()
  for (const { section, row, where } of rows) {
    for (const place of where) {
      const name = `${section}, ${row}: ${place}`
      if (place.startsWith('out of scope: ')) {
        t.ok(place.split(' ').length > 6, name)
        continue
      }
      const [, path, title] = /^`?((?:test|stores\/contract)\/[\w/.-]+\.ts)`?: (.+)$/.exec(place) ?? []
      if (path === undefined || title === undefined) {
        t.fail(`${name}: is neither a file and a title nor out of scope`)
        continue
      }
      if (!known.has(path)) known.set(path, await titlesOf(path).catch(() => []))
      t.ok(known.get(path)!.some(pattern => pattern.test(title)), name)
    }
  }
})

t.test('the lifetimes in the threat model are the defaults', async t => {
  const { session, accessToken } = checkConfig({ origin: 'https://app.example.com', store: { type: 'sqlite' }, identity: async () => null }, { directory: '.', env: {} })
  const said = Object.fromEntries(threatModel.split('\n').filter(line => line.startsWith('|')).map(line => cellsOf(line).slice(0, 2) as [string, string]))

  t.equal(parseDurationMs(said['`session.idleTimeout`']!), session.idleTimeoutMs)
  t.equal(parseDurationMs(said['`session.absoluteTimeout`']!), session.absoluteTimeoutMs)
  t.equal(parseDurationMs(said['`accessToken.ttl`']!), accessToken.ttlMs)
  t.equal(Number(said['`session.maxPerSubject`']), session.maxPerSubject)
})

t.test('the threat model has at most 3,000 words', async t => {
  t.ok(threatModel.split(/\s+/).length <= 3000)
})
