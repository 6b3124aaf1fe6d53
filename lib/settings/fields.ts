import { Kind, Type, TypeRegistry, type TLiteral, type TProperties, type TSchema, type TUnion, type TUnsafe } from '@sinclair/typebox'
import { parseDurationMs, parseSize } from '../units.ts'

/** Returns the fault of a text in words that can follow "setting: "; null if the text is valid. */
export type TextCheck = (text: string) => string | null

interface Described {
  description: string
  /** Requirement in words that can follow "must be ". Every error of the wrong type states it. */
  expects?: string
  example?: string
  unit?: string
  default?: unknown
  /** Whether a text is the path of a file. `${file:PATH}` may not stand in such a text, because errors name the path. */
  isFile?: true
  /** True if the bounds, or the check of a text, also apply to the options of a plugin. Otherwise they apply to configurations only. */
  hard?: boolean
}

/** Returns the reference to an environment variable as a configuration writes it. */
export function reference (name: string): string {
  return `\${${name}}`
}

const textKind = 'PortcullisText'
TypeRegistry.Set<{ check: TextCheck }>(textKind, (schema, value) => typeof value === 'string' && schema.check(value) === null)

/** A string that a function checks, so that its error states the fault and the remedy. */
export function text<const Options extends Described & { expects: string }> (check: TextCheck, options: Options): TUnsafe<string> & Options {
  return { [Kind]: textKind, type: 'string', check, ...options } as unknown as TUnsafe<string> & Options
}

/** Returns the check of a text setting; undefined for every other schema. */
export function checkOf (schema: TSchema): TextCheck | undefined {
  return schema[Kind] === textKind ? schema['check'] as TextCheck : undefined
}

interface Bounds {
  minimum: string
  maximum: string
}

/**
 * A text with a unit. Its decoded value is a number, and its decoded name carries the unit: `idleTimeout` becomes `idleTimeoutMs`,
 * `headers` becomes `headersBytes`.
 */
export type Measured<Unit extends 'duration' | 'size'> = TUnsafe<string> & { unit: Unit }

/** A duration within bounds, such as `30s`. */
export function duration<const Options extends Described & Bounds> (options: Options): Measured<'duration'> & Options {
  const expects = 'a duration with a unit, such as 500ms, 30s, 15m, 24h or 30d'
  return text(withinBounds(parseDurationMs, expects, options), { unit: 'duration', expects, ...options })
}

/** A size within bounds, such as `16KiB`. */
export function size<const Options extends Described & Bounds> (options: Options): Measured<'size'> & Options {
  const expects = 'a size with a unit, such as 512B, 16KiB or 1MiB'
  return text(withinBounds(parseSize, expects, options), { unit: 'size', expects, ...options })
}

function withinBounds (parse: (text: string) => number, expects: string, { minimum, maximum }: Bounds): TextCheck {
  const least = parse(minimum)
  const most = parse(maximum)
  return text => {
    let value: number
    try {
      value = parse(text)
    } catch {
      return `must be ${expects}`
    }
    return value < least || value > most ? `must be from ${minimum} to ${maximum}` : null
  }
}

/** A setting with one of a few words as its value. */
export function choice<const Word extends string, const Options extends Described> (words: readonly Word[], options: Options) {
  const expects = new Intl.ListFormat('en', { type: 'disjunction' }).format(words)
  return Type.Union(words.map(word => Type.Literal(word)), { expects, words, ...options }) as TUnion<Array<TLiteral<Word>>> & Options
}

/** A whole number within bounds. */
export function count<const Options extends Described & { minimum: number, maximum: number }> (options: Options) {
  const expects = `a whole number from ${options.minimum} to ${options.maximum}`
  return Object.assign(Type.Integer({ expects, ...options }), options)
}

export function flag<const Options extends Described> (options: Options) {
  return Object.assign(Type.Boolean({ expects: 'true or false', ...options }), options)
}

export function list<const Item extends TSchema, const Options extends Described & { minItems?: number, maxItems?: number, uniqueItems?: boolean }> (item: Item, options: Options) {
  const expects = `a list${item['expects'] === undefined ? '' : ` (each ${item['expects'] as string})`}`
  return Object.assign(Type.Array(item, { expects, ...options }), options)
}

/** A group whose names the user chooses, each with a value of the same kind. */
export function map<const Item extends TSchema, const Options extends Described> (item: Item, options: Options) {
  return Object.assign(Type.Record(Type.String(), item), options)
}

/** A group of settings under one name; an unknown setting is an error. */
export function group<Properties extends TProperties, const Options extends Described> (properties: Properties, options: Options) {
  const expects = `a group of settings (${Object.keys(properties).join(', ')})`
  return Object.assign(Type.Object(properties, { additionalProperties: false, expects, ...options }), options)
}
