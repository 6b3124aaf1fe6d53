import type { TSchema } from '@sinclair/typebox'
import { Value } from '@sinclair/typebox/value'
import t from 'tap'
import { configSchema, defineConfig } from '../../config/schema.ts'

/** Every setting below a schema, by name. */
function * settings (schema: TSchema, name: string): Generator<[name: string, schema: TSchema]> {
  for (const [key, child] of Object.entries(schema['properties'] as Record<string, TSchema> | undefined ?? {})) {
    yield [`${name}.${key}`, child]
    yield * settings(child, `${name}.${key}`)
  }
  for (const branch of schema['anyOf'] as TSchema[] | undefined ?? []) yield * settings(branch, name)
  if (schema['items'] !== undefined) yield * settings(schema['items'] as TSchema, `${name}[]`)
}

t.test('every setting has a description, and every default is within its bounds', async t => {
  for (const [name, schema] of settings(configSchema, '')) {
    if (!('const' in schema)) t.type(schema.description, 'string', name)
    if (schema.default !== undefined) t.ok(Value.Check(schema, Value.Default(schema, undefined)), name)
    if (/\.(ttl|maxAge|window)$|[tT]imeout$/.test(name)) t.equal(schema['unit'], 'duration', name)
  }
})

t.test('a TypeScript configuration is given back as it is', async t => {
  const input = { origin: 'http://localhost', identity: async () => null }

  t.equal(defineConfig(input), input)
})
