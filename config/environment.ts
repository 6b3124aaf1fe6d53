import type { TObject, TSchema } from '@sinclair/typebox'
import { resolve } from 'node:path'
import { reference } from '../lib/settings/fields.ts'
import type { Problem } from './problems.ts'
import { readTextFile } from './text-file.ts'

export type Environment = Record<string, string | undefined>

const deepest = 16

/** A file whose content was inserted into a setting. */
export interface NamedFile { setting: string, path: string }

export interface Substituted { value: unknown, problems: Problem[], files: NamedFile[] }

const filePrefix = 'file:'

/** The names of the settings below a schema that are paths of files, such as `issuers[].jwks`. */
function pathSettings (schema: TSchema, setting = ''): string[] {
  if (schema['isFile'] === true) return [setting]
  const branches = schema['anyOf'] as TSchema[] | undefined ?? []
  const items = schema['items'] as TSchema | undefined
  return [
    ...branches.flatMap(branch => pathSettings(branch, setting)),
    ...items === undefined ? [] : pathSettings(items, `${setting}[]`),
    ...Object.entries(schema['properties'] as TObject['properties'] | undefined ?? {}).flatMap(([name, child]) => pathSettings(child, setting === '' ? name : `${setting}.${name}`))
  ]
}

/**
 * Returns a copy of the input in which every `${NAME}` in a string is replaced by the environment variable, every `${file:PATH}` by the
 * content of the file without its last newline, and `$${` by `${`. Relative paths start from `directory`. Inserted text is not expanded
 * again. A number or a flag may consist of one variable or file (`port: ${PORT}`).
 */
export function substitute (input: unknown, schema: TSchema, env: Environment, directory = '.'): Substituted {
  const problems: Problem[] = []
  const files: NamedFile[] = []
  const paths = pathSettings(schema)
  return { value: visit(input, schema, '', 0), problems, files }

  function visit (value: unknown, schema: TSchema | undefined, setting: string, depth: number): unknown {
    if (typeof value === 'string') return typed(expand(value, setting), value, schema)
    if (typeof value === 'function' && !/^identity(?:\[\d+\])?$/.test(setting)) {
      problems.push({ setting, text: 'is a function, which identity alone may be; write a value' })
      return undefined
    }
    if (value === null || typeof value !== 'object') return value
    if (depth >= deepest) {
      problems.push({ setting, text: 'is nested too deeply; write it flat' })
      return undefined
    }
    if (Array.isArray(value)) return value.map((item, index) => visit(item, schema?.['items'] as TSchema | undefined, `${setting}[${index}]`, depth + 1))
    const properties = schema?.['properties'] as TObject['properties'] | undefined
    return Object.fromEntries(Object.entries(value).map(([name, child]) =>
      [name, visit(child, Object.hasOwn(properties ?? {}, name) ? properties![name] : undefined, setting === '' ? name : `${setting}.${name}`, depth + 1)]))
  }

  function expand (text: string, setting: string): string {
    return text.replaceAll(/(\$?)\$\{([^}]*)(\}?)/g, (whole, escape: string, name: string, end: string) => {
      if (escape !== '') return whole.slice(1)
      if (end !== '' && name.startsWith(filePrefix)) return contentOf(name.slice(filePrefix.length), setting)
      if (end === '' || !/^[A-Za-z_]\w*$/.test(name)) {
        problems.push({ setting, text: `has an unfinished variable; write ${reference('NAME')} or ${reference('file:PATH')}, or $$ where a plain $ stands before {` })
        return ''
      }
      const value = env[name]
      if (value === undefined || value === '') problems.push({ setting, text: `needs the environment variable ${name}, which is ${value === undefined ? 'not set' : 'empty'}; set ${name}` })
      return value ?? ''
    })
  }

  function contentOf (name: string, setting: string): string {
    if (paths.includes(setting.replaceAll(/\[\d+\]/g, '[]'))) {
      problems.push({ setting, text: `is a path, and ${reference('file:PATH')} stands for the content of a file; write the path alone` })
      return ''
    }
    // A variable inside the path would end the expression at its own closing brace.
    if (name.trim() === '' || name.includes('${') || name.includes('\0')) {
      problems.push({ setting, text: `names no file; write ${reference('file:PATH')} with a plain path` })
      return ''
    }
    const path = resolve(directory, name)
    const found = readTextFile(path)
    if ('problem' in found) {
      problems.push({ setting, text: `needs the file ${path}, which ${found.problem}` })
      return ''
    }
    files.push({ setting, path })
    return found.text
  }
}

function typed (text: string, written: string, schema: TSchema | undefined): unknown {
  if (!/^\$\{(?:\w+|file:[^}]+)\}$/.test(written)) return text
  if (schema?.['type'] === 'integer' && /^\d{1,15}$/.test(text)) return Number(text)
  if (schema?.['type'] === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return text
}
