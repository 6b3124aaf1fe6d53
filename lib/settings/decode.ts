import type { Static, TArray, TObject, TOptional, TSchema, TUnion } from '@sinclair/typebox'
import { durationMs, parseSize, type Duration } from '../units.ts'

/*
 * Decoding of settings: checked texts with a unit become numbers, under names that carry the unit.
 */

/** Settings of a schema with every default filled in. Texts are not decoded yet. */
export type Complete<Schema extends TSchema> =
  Schema extends TArray<infer Item> ? Array<Complete<Item>>
    : Schema extends TUnion<infer Branches> ? { [Index in keyof Branches]: Complete<Branches[Index]> }[number]
      : Schema extends TObject<infer Properties> ? { [Name in keyof Properties]: Complete<Properties[Name]> | Absence<Properties[Name], undefined> }
        : Static<Schema>

/** Settings of a schema with durations in milliseconds and sizes in bytes; null for absent settings without a default. */
export type Decoded<Schema extends TSchema> =
  Schema extends { unit: keyof typeof suffixes } ? number
    : Schema extends TArray<infer Item> ? Array<Decoded<Item>>
      : Schema extends TUnion<infer Branches> ? { [Index in keyof Branches]: Decoded<Branches[Index]> }[number]
        : Schema extends TObject<infer Properties> ? { [Name in keyof Properties as DecodedName<Name & string, Properties[Name]>]: Decoded<Properties[Name]> | Absence<Properties[Name], null> }
          : Static<Schema>

type Absence<Schema, Absent> = Schema extends { default: unknown } ? never : Schema extends TOptional<TSchema> ? Absent : never

/** Name of a setting after decoding. */
export type DecodedName<Name extends string, Schema> = Schema extends { unit: infer Unit extends keyof typeof suffixes } ? `${Name}${typeof suffixes[Unit]}` : Name

const suffixes = { duration: 'Ms', size: 'Bytes' } as const

export function decodedName (name: string, schema: TSchema): string {
  return name + (suffixes[schema['unit'] as keyof typeof suffixes] ?? '')
}

/** Returns the decoded defaults of a group. Every setting of the group must have a default or be optional. */
export function defaultsOf<Schema extends TObject> (group: Schema): Decoded<Schema> {
  const defaults = Object.entries(group.properties).flatMap(([name, property]) => property.default === undefined ? [] : [[name, property.default as unknown]])
  return decodeValue(group, Object.fromEntries(defaults), null) as Decoded<Schema>
}

/** Decodes settings that were checked and completed before. Absent settings become null. */
export function decode<Schema extends TSchema> (schema: Schema, settings: Complete<Schema>): Decoded<Schema> {
  return decodeValue(schema, settings, null) as Decoded<Schema>
}

/**
 * Returns a decoded copy if the schema has anything to decode, and otherwise the value itself. `absent` replaces absent settings; if it is
 * undefined, they stay absent.
 */
export function decodeValue (schema: TSchema, value: unknown, absent: null | undefined): unknown {
  if (value === undefined) return absent
  if (schema['unit'] === 'duration') return durationMs(value as Duration)
  if (schema['unit'] === 'size') return parseSize(value as string)
  if (Array.isArray(value)) return schema['items'] === undefined ? value : value.map(item => decodeValue(schema['items'] as TSchema, item, absent))
  const properties = propertiesFor(schema, value)
  if (properties === null) return value
  const decoded = Object.entries(properties).map(([name, property]) => [decodedName(name, property), decodeValue(property, (value as Record<string, unknown>)[name], absent)] as const)
  return Object.fromEntries(decoded.filter(([, setting]) => setting !== undefined))
}

/**
 * Returns the settings of a group; of several groups, those of the group that `type` names. Returns null if the value is not a group of
 * settings.
 */
export function propertiesFor (schema: TSchema, value: unknown): Record<string, TSchema> | null {
  if (!isPlain(value)) return null
  const groups = [schema, ...schema['anyOf'] as TSchema[] | undefined ?? []].flatMap(({ properties }) => properties === undefined ? [] : [properties as Record<string, TSchema>])
  const group = groups.length > 1 ? groups.find(({ type }) => type !== undefined && type['const'] === value['type']) : groups[0]
  // A schema without settings only states that the value is an object, of any class.
  return group === undefined || Object.keys(group).length === 0 ? null : group
}

export function isPlain (value: unknown): value is Record<string, unknown> {
  if (value === null || typeof value !== 'object') return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}
