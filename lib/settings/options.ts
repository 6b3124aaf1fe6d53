import { Kind, OptionalKind, Type, TypeRegistry, type Static, type TArray, type TLiteral, type TObject, type TOptional, type TProperties, type TSchema, type TUnion, type TUnsafe } from '@sinclair/typebox'
import { durationMs, parseDurationMs, durationPattern, type Duration } from '../units.ts'
import { decodedName, isPlain, propertiesFor, type Decoded, type DecodedName } from './decode.ts'
import { checkOf } from './fields.ts'

/*
 * Options of a plugin, derived from the settings that a configuration has for it.
 */

/** A duration in options: a text with its unit (`15m`), or a number of milliseconds. */
export type TDurationOption = TUnsafe<Duration> & { unit: 'duration' }

export interface DurationOptions {
  default?: Duration
  /** Bounds of the option, as texts with a unit. */
  bounds?: { minimum: string, maximum: string }
}

const kind = 'PortcullisDuration'
TypeRegistry.Set<TSchema>(kind, (schema, value) => durationProblem(schema, value) === null)

/** A duration option. `checkOptions` returns it in milliseconds, under a name that ends in `Ms`. */
export function durationOption<const Options extends DurationOptions> (options?: Options): TDurationOption & Options {
  return { [Kind]: kind, unit: 'duration', ...options } as unknown as TDurationOption & Options
}

/** An option with a default, which may be omitted. */
export function optional<Option extends TSchema> (fallback: Static<Option>, option: Option): Option & { default: unknown } {
  return { ...option, default: fallback }
}

function durationProblem (schema: TSchema, value: unknown): string | null {
  const isDuration = typeof value === 'number' ? Number.isInteger(value) && value >= 0 : typeof value === 'string' && new RegExp(durationPattern).test(value)
  if (!isDuration) return 'must be a duration such as 30s or 15m, or a number of milliseconds'
  const { bounds } = schema as DurationOptions
  if (bounds === undefined) return null
  const ms = durationMs(value as Duration)
  return ms < parseDurationMs(bounds.minimum) || ms > parseDurationMs(bounds.maximum) ? `must be from ${bounds.minimum} to ${bounds.maximum}` : null
}

/** Returns the fault of an option in words that can follow its name; null if its schema provides no words. */
export function optionProblem (schema: TSchema, value: unknown): string | null {
  if (schema[Kind] === kind) return durationProblem(schema, value)
  return typeof value === 'string' ? checkOf(schema)?.(value) ?? null : null
}

declare const fieldsOf: unique symbol

/**
 * The schema of a group of options. It names only their schemas, because the types of TypeBox for nested objects are too deep for the
 * compiler.
 */
export interface TOptions<Fields> extends TSchema { [fieldsOf]: Fields, static: unknown }

type OptionOf<Field> =
  Field extends { unit: 'duration' } ? TDurationOption
    : Field extends TArray<infer Item> ? TArray<OptionOf<Item>>
      : Field extends TObject<infer Fields> ? TOptions<OptionsOf<Fields>>
        : Field extends TUnion<Array<TLiteral<infer Word>>> ? TUnsafe<Word>
          : TUnsafe<Static<Field & TSchema>>

/** Options derived from settings. An option with a default may be omitted, and is present after the check. */
export type OptionsOf<Fields> = {
  [Name in keyof Fields]: Fields[Name] extends { default: unknown } ? OptionOf<Fields[Name]> & { default: unknown }
    : Fields[Name] extends TOptional<TSchema> ? TOptional<OptionOf<Fields[Name]> & TSchema>
      : OptionOf<Fields[Name]>
}

/**
 * Returns the schema of a plugin's options: those derived from a group of settings, and `more`, which only authors set. Durations may also
 * be numbers of milliseconds. Upper bounds and checks of texts apply if the setting is `hard`.
 */
export function optionsOf<Fields extends TProperties, More extends TProperties = Record<never, never>> (fields: Fields, more?: More): TOptions<OptionsOf<Omit<Fields, keyof More>> & More> {
  return Type.Object({ ...optionsByName(fields), ...more }, { additionalProperties: false }) as unknown as TOptions<OptionsOf<Omit<Fields, keyof More>> & More>
}

function optionsByName (fields: TProperties): TProperties {
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, optionOf(field)]))
}

function optionOf (field: TSchema): TSchema {
  const option = bare(field)
  if ('default' in field) return { ...option, default: field.default as unknown }
  return field[OptionalKind] === undefined ? option : Type.Optional(option)
}

/** Returns an option without its default. */
function bare (field: TSchema): TSchema {
  const { hard, minimum, maximum, words, minItems } = field as Partial<Record<string, unknown>>
  if (field['unit'] === 'duration') return durationOption(hard === true ? { bounds: { minimum: minimum as string, maximum: maximum as string } } : {})
  if (words !== undefined) return Type.Union(field['anyOf'] as TLiteral[], { errorMessage: field['errorMessage'] as string | undefined ?? `must be ${new Intl.ListFormat('en-GB', { type: 'disjunction' }).format(words as string[])}` })
  if (field['items'] !== undefined) return Type.Array(optionOf(field['items'] as TSchema), minItems === undefined ? {} : { minItems: minItems as number })
  if (field['properties'] !== undefined) return Type.Object(optionsByName(field['properties'] as TProperties), { additionalProperties: false })
  if (field['type'] === 'integer') return Type.Integer({ minimum: minimum as number, ...hard === true ? { maximum: maximum as number } : {} })
  if (field['type'] === 'boolean') return Type.Boolean()
  if (checkOf(field) === undefined) throw new TypeError('a setting of this kind cannot be an option')
  const { [OptionalKind]: _, ...text } = field
  return hard === true ? text as TSchema : Type.String()
}

/** Type of the options that authors write for these schemas. */
type OptionsInput<Options> = Flat<{ [Name in keyof Options as MayBeLeftOut<Options[Name]> extends true ? Name : never]?: Input<Options[Name]> } & { [Name in keyof Options as MayBeLeftOut<Options[Name]> extends true ? never : Name]: Input<Options[Name]> }>

type Flat<Members> = { [Name in keyof Members]: Members[Name] }

type MayBeLeftOut<Schema> = Schema extends { default: unknown } ? true : Schema extends TOptional<TSchema> ? true : false

type Input<Schema> = Schema extends TArray<infer Item> ? ReadonlyArray<Input<Item>> : Schema extends TOptions<infer Options> ? OptionsInput<Options> : Schema extends { static: infer Value } ? Value : never

/** Type of checked options: durations are milliseconds, and options with a default are present. */
export type DecodedOptions<Schema> =
  Schema extends { unit: 'duration' } ? number
    : Schema extends TArray<infer Item> ? Array<DecodedOptions<Item>>
      : Schema extends TOptions<infer Options>
        ? Flat<{ [Name in keyof Options as Options[Name] extends TOptional<TSchema> ? DecodedName<Name & string, Options[Name]> : never]?: DecodedOptions<Options[Name]> } & { [Name in keyof Options as Options[Name] extends TOptional<TSchema> ? never : DecodedName<Name & string, Options[Name]>]: DecodedOptions<Options[Name]> }>
        : Schema extends { static: infer Value } ? Value : never

/** Returns a copy with every default filled in; undefined counts as omitted. Values that are neither groups nor lists are not copied. */
export function completeOptions (schema: TSchema, value: unknown): unknown {
  if (value === undefined) return 'default' in schema ? completeOptions(schema, structuredClone(schema.default)) : undefined
  if (Array.isArray(value) && schema['items'] !== undefined) return value.map(item => completeOptions(schema['items'] as TSchema, item))
  const properties = propertiesFor(schema, value)
  if (properties === null) return value
  const given = value as Record<string, unknown>
  const names = new Set([...Object.keys(properties), ...Object.keys(given)])
  const completed = Array.from(names, name => [name, Object.hasOwn(properties, name) ? completeOptions(properties[name]!, given[name]) : given[name]] as const)
  return Object.fromEntries(completed.filter(([, option]) => option !== undefined))
}

/** Type of the options that authors write if `optionsOf` derives them from settings and `more`. */
export type OptionsFrom<Fields, More extends TProperties = Record<never, never>> = OptionsInput<OptionsOf<Omit<Fields, keyof More>> & More>

/** Returns the options of a plugin for a decoded configuration: the settings that `fields` names, under their original names. */
export function optionsFrom<Fields extends TProperties> (fields: Fields, decoded: Decoded<TObject<Fields>>): OptionsFrom<Fields> {
  return encode(fields, decoded) as OptionsFrom<Fields>
}

function encode (fields: TProperties, decoded: Record<string, unknown>): Record<string, unknown> {
  const options = Object.entries(fields).map(([name, field]) => [name, encodeValue(field, decoded[decodedName(name, field)])] as const)
  return Object.fromEntries(options.filter(([, option]) => option !== null))
}

function encodeValue (field: TSchema, value: unknown): unknown {
  if (Array.isArray(value) && field['items'] !== undefined) return value.map(item => encodeValue(field['items'] as TSchema, item))
  return field['properties'] !== undefined && isPlain(value) ? encode(field['properties'] as TProperties, value) : value
}
