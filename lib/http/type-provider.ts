import type { Static, TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifySchemaCompiler, FastifySerializerCompiler, FastifyTypeProvider } from 'fastify'
import { RequestInvalidError } from '../errors.ts'

/** Derives the types of a route's body, params and query from its TypeBox schemas. */
export interface TypeBoxProvider extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown
  serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown
}

/**
 * Checks values without changing them: nothing is coerced, defaulted or removed, so the handler uses exactly the value that was checked.
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart = 'body' }) => {
  const check = TypeCompiler.Compile(schema)
  return value => {
    const first = check.Errors(value).First()
    return first === undefined ? { value } : { error: invalid(httpPart, first.path, first.schema) }
  }
}

/**
 * Serializes responses without applying their schemas, which only describe. Fastify's own compiler would remove members that a schema does
 * not list.
 */
export const serializerCompiler: FastifySerializerCompiler<unknown> = () => data => JSON.stringify(data)

/** Returns an error that names the place in the words of the schema. It repeats no content of the request. */
function invalid (part: string, path: string, schema: TSchema): Error {
  const place = [part, ...path.split('/').slice(1)].slice(0, schema['additionalProperties'] === false ? 1 : undefined).join('.')
  const detail = schema['additionalProperties'] === false ? `${place} must have only the documented members` : `${place} ${String(schema['errorMessage'] ?? 'is not valid')}`
  return Object.assign(new RequestInvalidError(), { detail })
}
