import { Type, type TSchema } from '@sinclair/typebox'
import { Value, ValueErrorType, type ValueError } from '@sinclair/typebox/value'
import { durationPattern } from './units.ts'
import { ConfigInvalidError } from './errors.ts'
import { decodeValue } from './settings/decode.ts'
import { completeOptions, optionProblem, type DecodedOptions } from './settings/options.ts'

export { durationMs, type Duration } from './units.ts'

/** A duration option that is not decoded: a text with its unit (`15m`), or a number of milliseconds. */
export const DurationOption = Type.Union([Type.String({ pattern: durationPattern }), Type.Integer({ minimum: 0 })], { errorMessage: 'must be a duration such as 30s or 15m, or a number of milliseconds' })

/** Options that Fastify itself reads from a plugin's options. */
const registerOptions = new Set(['prefix', 'logLevel', 'logSerializers'])

/**
 * Checks a plugin's options, applies the schema's defaults and decodes durations, without changing the caller's object. Throws
 * ConfigInvalidError that names the plugin and the option, never its value.
 */
export function checkOptions<Schema extends TSchema> (plugin: string, schema: Schema, options: object): DecodedOptions<Schema> {
  const given = Object.fromEntries(Object.entries(options).filter(([name]) => !registerOptions.has(name)))
  const completed = completeOptions(schema, given)
  const first = Value.Errors(schema, completed).First()
  if (first !== undefined) throw new ConfigInvalidError(`${plugin}: ${describe(first)}`)
  return decodeValue(schema, completed, undefined) as DecodedOptions<Schema>
}

function describe (error: ValueError): string {
  const option = error.path.slice(1).replaceAll('/', '.') || 'options'
  if (error.type === ValueErrorType.ObjectAdditionalProperties) return `${option} is not an option`
  if (error.type === ValueErrorType.ObjectRequiredProperty) return `${option} is required`
  const { errorMessage } = error.schema as { errorMessage?: string }
  return `${option} ${optionProblem(error.schema, error.value) ?? errorMessage ?? error.message.charAt(0).toLowerCase() + error.message.slice(1)}`
}
