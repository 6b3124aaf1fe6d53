import type { Static, TSchema } from '@sinclair/typebox'
import { Value, ValueErrorType, type ValueError } from '@sinclair/typebox/value'
import { Type } from '@sinclair/typebox'
import { durationPattern, parseDurationMs } from './duration.ts'
import { ConfigInvalidError } from './errors.ts'

/** A duration in options: a text with its unit (`15m`), or a number of milliseconds. */
export const DurationOption = Type.Union([Type.String({ pattern: durationPattern }), Type.Integer({ minimum: 0 })], { errorMessage: 'must be a duration such as 30s or 15m, or a number of milliseconds' })

export type Duration = Static<typeof DurationOption>

/** Milliseconds of a duration option that was checked before. */
export function durationMs (duration: Duration): number {
  return typeof duration === 'number' ? duration : parseDurationMs(duration)
}

/** What Fastify itself reads of a plugin's options. */
const registerOptions = new Set(['prefix', 'logLevel', 'logSerializers'])

/**
 * Checks a plugin's options and fills in the schema's defaults, without touching the caller's object.
 * Throws ConfigInvalidError that names the plugin and the option, never its value.
 */
export function checkOptions<Schema extends TSchema> (plugin: string, schema: Schema, options: object): Static<Schema> {
  const given = Object.fromEntries(Object.entries(options).filter(([name, value]) => !registerOptions.has(name) && value !== undefined))
  const checked: unknown = { ...defaultsOf(schema), ...given }
  const first = Value.Errors(schema, checked).First()
  if (first !== undefined) throw new ConfigInvalidError(`${plugin}: ${describe(first)}`)
  return checked as Static<Schema>
}

/** Of the options themselves: they have no nested ones, and the values given are the caller's. */
function defaultsOf (schema: TSchema): Record<string, unknown> {
  const properties = Object.entries((schema['properties'] ?? {}) as Record<string, TSchema>)
  return Object.fromEntries(properties.filter(([, property]) => 'default' in property).map(([name, property]) => [name, structuredClone(property.default)]))
}

function describe (error: ValueError): string {
  const option = error.path.slice(1).replaceAll('/', '.') || 'options'
  if (error.type === ValueErrorType.ObjectAdditionalProperties) return `${option} is not an option`
  if (error.type === ValueErrorType.ObjectRequiredProperty) return `${option} is required`
  const { errorMessage } = error.schema as { errorMessage?: string }
  return `${option} ${errorMessage ?? error.message.charAt(0).toLowerCase() + error.message.slice(1)}`
}
