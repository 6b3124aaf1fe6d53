import { Type, type TSchema } from '@sinclair/typebox'
import { Errors, ValueErrorType, type ValueError } from '@sinclair/typebox/errors'
import { durationPattern, type Duration } from './units.ts'
import { ConfigInvalidError } from './errors.ts'
import { isFastifyOption } from './fastify-options.ts'
import { nodeProblem, sinceNode } from './node-version.ts'
import { decodeValue } from './settings/decode.ts'
import { completeOptions, optionProblem, type DecodedOptions } from './settings/options.ts'
import { nearest } from './suggest.ts'

export { durationMs, type Duration } from './units.ts'

/** A duration option that is not decoded: a text with its unit (`15m`), or a number of milliseconds. */
export const DurationOption = Type.Union([Type.Unsafe<Exclude<Duration, number>>(Type.String({ pattern: durationPattern })), Type.Integer({ minimum: 0 })], { errorMessage: 'must be a duration such as 30s or 15m, or a number of milliseconds' })

/** Every plugin checks its options first, so an older Node is reported before a plugin uses what that Node does not have. */
const oldNode = nodeProblem(sinceNode.plugins, process.versions.node)

/**
 * Checks a plugin's options, applies the schema's defaults and decodes durations, without changing the caller's object. Options of Fastify
 * are ignored. Throws ConfigInvalidError that names the plugin and the option, never its value.
 */
export function checkOptions<Schema extends TSchema> (plugin: string, schema: Schema, options: object): DecodedOptions<Schema> {
  if (oldNode !== null) throw new ConfigInvalidError(`${plugin} ${oldNode}`)
  const known = Object.keys(schema['properties'] as object)
  const given = Object.fromEntries(Object.entries(options).filter(([name]) => known.includes(name) || !isFastifyOption(name)))
  const completed = completeOptions(schema, given)
  const first = Errors(schema, completed).First()
  if (first !== undefined) throw new ConfigInvalidError(`${plugin}: ${describe(first, known)}`)
  return decodeValue(schema, completed, undefined) as DecodedOptions<Schema>
}

function describe (error: ValueError, known: readonly string[]): string {
  const option = error.path.slice(1).replaceAll('/', '.') || 'options'
  if (error.type === ValueErrorType.ObjectAdditionalProperties) return `${option} is not an option${suggestion(option, known)}`
  if (error.type === ValueErrorType.ObjectRequiredProperty) return `${option} is required`
  const { errorMessage } = error.schema as { errorMessage?: string }
  return `${option} ${optionProblem(error.schema, error.value) ?? errorMessage ?? error.message.charAt(0).toLowerCase() + error.message.slice(1)}`
}

function suggestion (option: string, known: readonly string[]): string {
  const meant = option.includes('.') ? null : nearest(option, known)
  return meant === null ? '' : `; did you mean ${meant}?`
}

/** Throws ConfigInvalidError unless an option is absent or has these methods, itself or by its class. */
export function assertMethods (option: string, value: object | undefined, methods: readonly string[], expected: string): void {
  const missing = value === undefined ? undefined : methods.find(name => typeof (value as Record<string, unknown>)[name] !== 'function')
  if (missing !== undefined) throw new ConfigInvalidError(`${option} must be ${expected}; it has no method ${missing}`)
}
