import { readdir, readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'

export interface ClientFile { body: string | Buffer }

const folder = join(import.meta.dirname, '..', '..', 'client')

/**
 * Returns the browser client as browsers load it, by file name; `index.js` is the entry point. An installed package has one file;
 * in the checkout there is one file for each source.
 */
export async function clientFiles (): Promise<Map<string, ClientFile>> {
  if (!import.meta.filename.endsWith('.ts')) return new Map([['index.js', { body: await readFile(join(folder, 'index.js')) }]])
  const sources = (await readdir(folder)).filter(name => name.endsWith('.ts'))
  return new Map(await Promise.all(sources.map(async name => [withoutTypes(name), { body: toScript(await readFile(join(folder, name), 'utf8')) }] as const)))
}

function toScript (source: string): string {
  return stripTypeScriptTypes(source).replace(/(?<=\bfrom ')\.\/[\w-]+\.ts(?=')/g, withoutTypes)
}

function withoutTypes (name: string): string {
  return name.replace(/\.ts$/, '.js')
}
