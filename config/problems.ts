import { Kind, type TObject, type TSchema } from '@sinclair/typebox'
import { Value, ValueErrorType, type ValueError } from '@sinclair/typebox/value'
import { nearest } from '../lib/suggest.ts'
import { checkOf } from '../lib/settings/fields.ts'

/** A problem of one setting. */
export interface Problem {
  /** The full name, such as `upstreams[0].audience`. */
  setting: string
  /** The problem and its remedy; it never contains the value. */
  text: string
  /** The known setting that an unknown one most likely means. */
  meant?: string
}

/** Checks a value against a schema. Returns at most one problem for each setting, in the order of the settings. */
export function findProblems (schema: TSchema, value: unknown, parent = ''): Problem[] {
  const problems = new Map<string, Problem>()
  for (const error of Value.Errors(schema, value)) {
    const setting = parent + settingOf(error.path, parent === '')
    for (const problem of explain(schema, error, setting)) {
      if (!problems.has(problem.setting)) problems.set(problem.setting, problem)
    }
  }
  const meant = new Set([...problems.values()].map(problem => problem.meant))
  return [...problems.values()].filter(problem => problem.meant !== undefined || !meant.has(problem.setting))
}

function explain (root: TSchema, error: ValueError, setting: string): Problem[] {
  const { schema, value } = error
  if (error.type === ValueErrorType.ObjectAdditionalProperties) return [unknownSetting(root, schema as TObject, error, setting)]
  if (value === undefined) return [{ setting, text: `is required; add ${nameOf(setting)}: ${exampleOf(schema)}` }]
  if (value === null) return [{ setting, text: `is empty; it must be ${expectationOf(schema)}` }]
  if (schema[Kind] === 'Union') return explainUnion(schema, value, setting)
  if (error.type === ValueErrorType.ArrayUniqueItems) return [{ setting, text: 'has one entry twice; remove one of them' }]
  if (error.type === ValueErrorType.ArrayMinItems) return [{ setting, text: 'has too few entries; add one' }]
  if (error.type === ValueErrorType.ArrayMaxItems) return [{ setting, text: `has too many entries; keep at most ${schema['maxItems'] as number}` }]
  const wrong = typeof value === 'string' ? checkOf(schema)?.(value) : null
  return [{ setting, text: wrong ?? `must be ${expectationOf(schema)}` }]
}

/** Explains the error of a union by the branch that was meant, because the error itself only says that no branch fits. */
function explainUnion (schema: TSchema, value: unknown, setting: string): Problem[] {
  const branches = schema['anyOf'] as TSchema[]
  const words = schema['words'] as string[] | undefined
  if (words !== undefined) {
    const meant = typeof value === 'string' ? nearest(value, words) : null
    return [{ setting, text: `must be ${expectationOf(schema)}${meant === null ? '' : `; did you mean ${meant}?`}` }]
  }
  const fitting = branches.filter(branch => kindOf(branch) === kindOfValue(value))
  const types = fitting.flatMap(branch => (branch['properties'] as TObject['properties'] | undefined)?.['type']?.['const'] as string | undefined ?? [])
  if (types.length > 0) {
    const { type } = value as { type?: unknown }
    const index = types.indexOf(type as string)
    if (index >= 0) return findProblems(fitting[index]!, value, setting)
    const hint = hintOf(schema, type)
    if (hint !== null) return [{ setting: `${setting}.type`, text: hint }]
    const meant = typeof type === 'string' ? nearest(type, types) : null
    return [{ setting: `${setting}.type`, text: `${type === undefined ? 'is required' : 'is not known'}; write ${types.join(' or ')}${meant === null ? '' : ` (did you mean ${meant}?)`}` }]
  }
  if (fitting.length === 1) return findProblems(fitting[0]!, value, setting)
  return [{ setting, text: `must be ${expectationOf(schema)}` }]
}

function kindOf (schema: TSchema): string {
  const type = schema['type'] as string
  return type === 'Function' ? 'function' : type
}

function kindOfValue (value: unknown): string {
  return Array.isArray(value) ? 'array' : typeof value
}

function unknownSetting (root: TSchema, schema: TObject, error: ValueError, setting: string): Problem {
  const known = Object.keys(schema.properties)
  const name = decodePointer(error.path).at(-1)!
  const hint = hintOf(schema, name)
  if (hint !== null) return { setting, text: hint, meant: '' }
  const near = nearest(name, known)
  if (near !== null) return { setting, text: `unknown setting; did you mean "${near}"?`, meant: parentOf(setting) + near }
  const elsewhere = [...new Set(findSettings(root, name))]
  if (elsewhere.length === 1) return { setting, text: `unknown setting; did you mean "${elsewhere[0]}"?`, meant: elsewhere[0]! }
  // A guess between several settings would mislead.
  const others = elsewhere.length === 0 ? '' : `; elsewhere there are ${elsewhere.join(', ')}`
  return { setting, text: `unknown setting; known here: ${known.join(', ')}${others}`, meant: '' }
}

/** Returns the hint of a schema about an unknown name that users often try, or null. */
function hintOf (schema: TSchema, name: unknown): string | null {
  const hints = schema['hints'] as Record<string, string> | undefined
  return hints !== undefined && typeof name === 'string' && Object.hasOwn(hints, name) ? hints[name]! : null
}

/** Finds the settings of exactly this name below the schema. */
function findSettings (schema: TSchema, name: string, parent = ''): string[] {
  const branches = schema['anyOf'] as TSchema[] | undefined ?? []
  return [
    ...branches.flatMap(branch => findSettings(branch, name, parent)),
    ...Object.entries(schema['properties'] as TObject['properties'] | undefined ?? {}).flatMap(([key, child]) => {
      const array = child['items'] as TSchema | undefined
      const found = findSettings(array ?? child, name, `${parent}${key}${array === undefined ? '.' : '[].'}`)
      return key === name ? [parent + key, ...found] : found
    })
  ]
}

function expectationOf (schema: TSchema): string {
  return schema['expects'] as string | undefined ?? JSON.stringify(schema['const'])
}

function exampleOf (schema: TSchema): string {
  return String(schema['example'] ?? schema['const'] ?? `<${(schema['expects'] as string | undefined) ?? 'value'}>`)
}

function nameOf (setting: string): string {
  return /[^.]*$/.exec(setting)![0].replace(/\[\d+\]$/, '')
}

function parentOf (setting: string): string {
  return setting.slice(0, setting.length - /[^.]*$/.exec(setting)![0].length)
}

function settingOf (pointer: string, top: boolean): string {
  const names = decodePointer(pointer).map(name => /^\d+$/.test(name) ? `[${name}]` : `.${printable(name)}`)
  return top && names[0]?.startsWith('.') === true ? names.join('').slice(1) : names.join('')
}

function decodePointer (pointer: string): string[] {
  return pointer.split('/').slice(1).map(part => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** Escapes and shortens an unknown name, so that it cannot break the line or fill the screen. */
function printable (name: string): string {
  return /^[\w$-]{1,64}$/.test(name) ? name : JSON.stringify(name.slice(0, 64))
}
