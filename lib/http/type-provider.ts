import type { Static, TSchema } from '@sinclair/typebox'
import { TypeCompiler } from '@sinclair/typebox/compiler'
import type { FastifySchemaCompiler, FastifySerializerCompiler, FastifyTypeProvider } from 'fastify'
import { RequestInvalidError } from '../errors.ts'

/** Types of a route's body, params and query from its TypeBox schemas. */
export interface TypeBoxProvider extends FastifyTypeProvider {
  validator: this['schema'] extends TSchema ? Static<this['schema']> : unknown
  serializer: this['schema'] extends TSchema ? Static<this['schema']> : unknown
}

/** Checks values as they are: nothing is coerced, defaulted or removed, so what was checked is what is used. */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart = 'body' }) => {
  const check = TypeCompiler.Compile(schema)
  return value => {
    const first = check.Errors(value).First()
    return first === undefined ? { value } : { error: invalid(httpPart, first.path, first.schema) }
  }
}

/** Response schemas describe what is sent and do not shape it: Fastify's own compiler would drop whatever a schema does not list. */
export const serializerCompiler: FastifySerializerCompiler<unknown> = () => data => JSON.stringify(data)

/** Names the place by the schema's own words: what stands in the request is not repeated. */
function invalid (part: string, path: string, schema: TSchema): Error {
  const place = [part, ...path.split('/').slice(1)].slice(0, schema['additionalProperties'] === false ? 1 : undefined).join('.')
  const detail = schema['additionalProperties'] === false ? `${place} must have only the documented members` : `${place} ${String(schema['errorMessage'] ?? 'is not valid')}`
  return Object.assign(new RequestInvalidError(), { detail })
}
