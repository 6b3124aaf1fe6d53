import { readdir, readFile } from 'node:fs/promises'

const root = new URL('../../', import.meta.url)
/** The folders that are not part of the sources. */
const foreign = new Set(['node_modules', 'dist', '.git', '.tap', '.demo', 'coverage'])

/** Reads a file by its path from the root of the project. */
export async function readDocument (path: string): Promise<string> {
  return await readFile(new URL(path, root), 'utf8')
}

/** Resolves to the paths of all source files whose name ends with one of the endings, from the root of the project. */
export async function sourceFiles (endings: readonly string[], folder = ''): Promise<string[]> {
  const entries = await readdir(new URL(folder === '' ? '.' : folder, root), { withFileTypes: true })
  const found = await Promise.all(entries.map(async entry => {
    if (entry.isDirectory()) return foreign.has(entry.name) ? [] : await sourceFiles(endings, `${folder}${entry.name}/`)
    return endings.some(ending => entry.name.endsWith(ending)) ? [`${folder}${entry.name}`] : []
  }))
  return found.flat().sort()
}

/** Returns the texts of all code blocks in a language. */
export function blocksOf (document: string, language: string): string[] {
  return [...document.matchAll(/^```(\w*)\n([^]*?)^```$/gm)].filter(([, name]) => name === language).map(([,, block]) => block ?? '')
}

/** Returns the first cells of each row of the tables under a heading, without backquotes. */
export function cellsUnder (document: string, heading: string, columns: number): string[][] {
  const section = document.split(/^#+ /m).find(part => part.startsWith(`${heading}\n`)) ?? ''
  const rows = section.split('\n').filter(line => line.startsWith('| ')).slice(2)
  return rows.map(row => row.split(/(?<!\\)\|/).slice(1, columns + 1).map(cell => cell.trim().replaceAll('`', '')))
}

/** A relative link of a document: its target as written, split at `#`. */
export interface Link { target: string, path: string, anchor: string | null }

/** Returns the relative links of a Markdown text, except those in code blocks and code spans. */
export function linksOf (document: string): Link[] {
  const prose = withoutCode(document)
  const targets = [...prose.matchAll(/\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)|(?:href|src)="([^"]+)"/gm)].map(([, inline, definition, html]) => inline ?? definition ?? html ?? '')
  return targets.filter(target => !/^[a-z][a-z+.-]*:/i.test(target)).map(target => {
    const [path = '', anchor] = target.split('#')
    return { target, path, anchor: anchor ?? null }
  })
}

/** Returns the anchors of a Markdown text, as GitHub derives them from its headings. */
export function anchorsOf (document: string): Set<string> {
  const anchors = new Set<string>()
  const prose = document.replaceAll(/^```[^]*?^```$/gm, '')
  for (const [, heading = ''] of prose.matchAll(/^#{1,6} (.+)$/gm)) {
    const name = heading.toLowerCase().replaceAll(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-')
    let [anchor, count] = [name, 0]
    while (anchors.has(anchor)) anchor = `${name}-${++count}`
    anchors.add(anchor)
  }
  return anchors
}

function withoutCode (document: string): string {
  return document.replaceAll(/^( *)```[^]*?^\1```$/gm, '').replaceAll(/`[^`\n]*`/g, '')
}
