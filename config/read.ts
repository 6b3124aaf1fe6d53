import { readFile } from 'node:fs/promises'
import { basename, extname, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseDocument } from 'yaml'
import { ConfigInvalidError } from '../lib/errors.ts'

/**
 * Parses a configuration file without checking its settings. Errors name the file and the line. They never quote the file, which may
 * contain secrets.
 */
export async function readInput (file: string): Promise<unknown> {
  switch (extname(file)) {
    case '.yaml':
    case '.yml':
      return parseYaml(await readText(file), basename(file))
    case '.json':
      return parseJson(await readText(file), basename(file))
    case '.ts':
    case '.mts':
    case '.js':
    case '.mjs':
      return await importDefault(file)
    default:
      throw new ConfigInvalidError(`${basename(file)}: is no configuration file; name one that ends in .yaml, .json, .ts or .js`)
  }
}

async function readText (file: string): Promise<string> {
  try {
    const text = await readFile(file, 'utf8')
    return text.replace(/^\uFEFF/, '')
  } catch (cause) {
    throw new ConfigInvalidError(`${resolve(file)}: cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown error'}); give --config the path of the file`, { cause })
  }
}

/*
 * YAML reads the braces of a variable in a flow mapping ({ token: ${TOKEN} }) as its own syntax. They are therefore replaced by two
 * private-use characters while the file is parsed.
 */
const hidden = { open: '\uE000', close: '\uE001' }

function parseYaml (text: string, name: string): unknown {
  const document = parseDocument(text.replaceAll(/\$\{(\w*|file:[^}\n]*)\}/g, `${hidden.open}$1${hidden.close}`), { uniqueKeys: true, stringKeys: true })
  const errors = [...document.errors, ...document.warnings]
  if (errors.length > 0) {
    // Only the first error of a line is reported, because the others result from it.
    const lines = new Map(errors.toReversed().map(({ code, linePos }) => [linePos?.[0].line ?? 1, sayYaml(code)]))
    throw new ConfigInvalidError([...lines].sort(([one], [other]) => one - other).map(([line, text]) => `${name}:${line}: ${text}`).join('\n'))
  }
  try {
    return document.toJS({ maxAliasCount: 100, reviver: (_key, value: unknown) => typeof value === 'string' ? reveal(value) : value })
  } catch {
    // The message of the parser may quote the file.
    throw new ConfigInvalidError(`${name}: has aliases that cannot be resolved; write the values out, or put texts that start with * in quotes`)
  }
}

function reveal (text: string): string {
  return text.replaceAll(hidden.open, '${').replaceAll(hidden.close, '}')
}

function sayYaml (code: string): string {
  if (code === 'DUPLICATE_KEY') return 'has a setting twice; remove one of them'
  return `is not valid YAML (${code.toLowerCase().replaceAll('_', ' ')}); check the indentation and put unusual texts in quotes`
}

function parseJson (text: string, name: string): unknown {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    const line = /\(line (\d+) /.exec((error as Error).message)?.[1] ?? lineOfBareWord(text)
    throw new ConfigInvalidError(`${name}${line === undefined ? '' : `:${line}`}: is not valid JSON; check commas, quotes and brackets there`)
  }
  // JSON.parse accepts duplicate names and keeps the last one.
  const twice = parseDocument(text).errors.find(error => error.code === 'DUPLICATE_KEY')
  if (twice !== undefined) throw new ConfigInvalidError(`${name}:${twice.linePos?.[0].line ?? 1}: has a setting twice; remove one of them`)
  return value
}

/** Finds the line of the first word outside quotes. The message of the parser about such a word quotes the file and has no line. */
function lineOfBareWord (text: string): number | undefined {
  const outside = text.replaceAll(/"(?:[^"\\\n]|\\.)*"/g, string => ' '.repeat(string.length))
  const at = outside.search(/(?<![\w.+-])(?!(?:true|false|null)\b)[A-Za-z'_$]/)
  return at < 0 ? undefined : outside.slice(0, at).split('\n').length
}

async function importDefault (file: string): Promise<unknown> {
  let module: { default?: unknown }
  try {
    module = await import(pathToFileURL(resolve(file)).href) as { default?: unknown }
  } catch (cause) {
    const [reason] = (cause instanceof Error ? cause.message : 'unknown error').split('\n')
    throw new ConfigInvalidError(`${basename(file)}: cannot be loaded: ${reason}`, { cause })
  }
  if (module.default === undefined) throw new ConfigInvalidError(`${basename(file)}: has no default export; write export default defineConfig({ … })`)
  return module.default
}
