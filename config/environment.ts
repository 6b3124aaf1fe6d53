import type { TObject, TSchema } from '@sinclair/typebox'
import type { Problem } from './problems.ts'

export type Environment = Record<string, string | undefined>

/** How a configuration names an environment variable. */
export function reference (name: string): string {
  return `\${${name}}`
}

const deepest = 16

/**
 * A copy of the input in which every `${NAME}` in a string is the environment variable, and `$${` is `${`.
 * A number or a flag may be one variable as a whole (`port: ${PORT}`).
 */
export function substitute (input: unknown, schema: TSchema, env: Environment): { value: unknown, problems: Problem[] } {
  const problems: Problem[] = []
  return { value: visit(input, schema, '', 0), problems }

  function visit (value: unknown, schema: TSchema | undefined, setting: string, depth: number): unknown {
    if (typeof value === 'string') return typed(expand(value, setting), value, schema)
    if (typeof value === 'function' && setting !== 'identity') {
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
      if (end === '' || !/^[A-Za-z_]\w*$/.test(name)) {
        problems.push({ setting, text: `has an unfinished variable; write ${reference('NAME')}, or $$ where a plain $ stands before {` })
        return ''
      }
      const value = env[name]
      if (value === undefined || value === '') problems.push({ setting, text: `needs the environment variable ${name}, which is ${value === undefined ? 'not set' : 'empty'}; set ${name}` })
      return value ?? ''
    })
  }
}

function typed (text: string, written: string, schema: TSchema | undefined): unknown {
  if (!/^\$\{\w+\}$/.test(written)) return text
  if (schema?.['type'] === 'integer' && /^\d{1,15}$/.test(text)) return Number(text)
  if (schema?.['type'] === 'boolean' && (text === 'true' || text === 'false')) return text === 'true'
  return text
}
